#include "ctl/confirm.h"

#include <stdio.h>
#include <string.h>

bool confirm(const struct ctl *ctl)
{
    char line[16] = "";

    if ((ctl->options.given & OPTION_YES) != 0)
        return true;
    fflush(stdout);
    fputs("Type yes to go on: ", stderr);
    if (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\r\n")] = 0;
        if (strcmp(line, "yes") == 0)
            return true;
    }
    ctl_complain("nothing was done");
    return false;
}

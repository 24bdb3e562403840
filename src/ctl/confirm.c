#include "ctl/confirm.h"

#include <stdio.h>
#include <string.h>

static bool said_yes(void)
{
    char line[16] = "";

    fputs("Type yes to go on: ", stderr);
    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    line[strcspn(line, "\r\n")] = 0;
    return strcmp(line, "yes") == 0;
}

bool confirm(const struct ctl *ctl)
{
    if ((ctl->options.given & OPTION_YES) != 0)
        return true;
    /* Nobody agrees to what could not be shown. */
    if (ctl_flush() && said_yes())
        return true;
    ctl_complain("nothing was done");
    return false;
}

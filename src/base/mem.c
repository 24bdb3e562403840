#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void *checked(void *memory, size_t size)
{
    if (memory == NULL) {
        die(EXIT_STATUS_SOFTWARE, "out of memory: %zu bytes are not to be had",
            size);
    }
    return memory;
}

void *x_malloc(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size), size);
}

void *x_calloc(size_t count, size_t size)
{
    if (count == 0 || size == 0) {
        count = 1;
        size = 1;
    }
    return checked(calloc(count, size), count * size);
}

void *x_realloc(void *old, size_t size)
{
    return checked(realloc(old, size == 0 ? 1 : size), size);
}

char *x_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(x_malloc(size), text, size);
}

void *x_grow(void *array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity) {
        return array;
    }
    size_t wanted = *capacity == 0 ? 8 : *capacity;
    while (wanted < need) {
        wanted *= 2;
    }
    *capacity = wanted;
    return x_realloc(array, wanted * size);
}

void die(enum exit_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line_v(LOG_LEVEL_ERROR, format, arguments);
    va_end(arguments);
    exit((int)status);
}

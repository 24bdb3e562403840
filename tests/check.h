/* What every unit test includes: cmocka, and what it needs before it. */
#ifndef RAFTSC_TESTS_CHECK_H
#define RAFTSC_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RUN(tests) cmocka_run_group_tests(tests, NULL, NULL)

#endif

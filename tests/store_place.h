/* A data directory of a test's own, with real files. */
#ifndef RAFTSC_TESTS_STORE_PLACE_H
#define RAFTSC_TESTS_STORE_PLACE_H

#include <sqlite3.h>

#include "store/store.h"

/* The one directory, made before each test and removed after it. */
extern char place_directory[64];
int place_setup(void **state);
int place_teardown(void **state);
/* Removes the files in it. */
void place_clear(void);

#define WITH_PLACE(test)                                                       \
    cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

/* The store in it, without threads. */
struct store *place_open(raft_id id, struct store_error *error);

/* Its database, for whoever damages it; the caller closes it. */
sqlite3 *place_database(void);
void place_sql(const char *sql);
/* Checksums and counts become those of what is there now. */
void place_bless(sqlite3 *db);
/* Both: what it does might have been saved by the program. */
void place_saved(const char *sql);
/* The number that a query gives. */
int64_t place_number(const char *sql);
/* The model's cluster is any: it becomes that of entry 1, as it should be. */
void place_set_cluster(void);
/* The database of an older program, from tests/store/, and the SQL that makes
 * it, which the caller frees. */
void place_schema(int version);
char *place_schema_sql(int version);

#endif

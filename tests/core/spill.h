/* A namespace in a tiny file system, for tests that spill: spill.c. */
#ifndef SHAREDMEMORY_TESTS_SPILL_H
#define SHAREDMEMORY_TESTS_SPILL_H

/* Mount it, with these options, for this test and its roles; or skip. */
void begin_spilling(const char *room);
/* From now on this process spills. */
void spill(void);
/* Check that nothing is left. */
void end_spilling(void);

#endif

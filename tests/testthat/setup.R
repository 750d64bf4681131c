# With parallel tests each worker process runs this file. Two of them must not
# meet, nor a second run of the suite on the same machine: a random prefix keeps
# runs apart, the pid keeps the processes of one run apart.
set_test_namespace()

# Other processes get it too, see child_environment(): where only what every POSIX
# system has is there, that is where they find each other.
Sys.setenv(TMPDIR = tempdir())

# Nobody sees an error that is thrown here in a worker. So every test looks for
# leftovers itself, see local_clean_shm(), and tests/testthat.R after the last.
withr::defer(remove_objects(), testthat::teardown_env())

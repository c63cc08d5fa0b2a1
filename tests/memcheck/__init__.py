"""Memory errors and leaks: the core's tests and a whole login under valgrind."""

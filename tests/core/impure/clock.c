/* clock.c - what check_pure.sh must refuse; never compiled. */
#include <time.h>

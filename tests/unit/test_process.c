/* test_process.c - what /proc says of a process is read whatever its name is, and a daemon is told from what only has its number. */
#include "proto/descriptor.h"
#include "proto/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A child that is called so and waits to be ended; back when it has its name. */
static pid_t child_called(const char *name)
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NAME, name);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

/* End it, and leave it for its parent to ask. */
static void end_child(pid_t pid)
{
    siginfo_t info;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/* Blanks and parentheses in the name move no field. */
static void a_name_may_hold_anything(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "a) R 1 (b", "((", "))", "x 1 2 3"};
    struct cccc_process self, process;
    assert_true(cccc_process_read(getpid(), &self));
    assert_int_equal(self.pid, getpid());
    assert_int_equal(self.parent, getppid());
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pid_t pid = child_called(names[i]);
        assert_true(cccc_process_read(pid, &process));
        assert_string_equal(process.name, names[i]);
        assert_int_equal(process.parent, getpid());
        assert_int_equal(process.session, getsid(0));
        assert_true(process.started >= self.started);
        assert_false(cccc_process_is_over(&process));
        end_child(pid);
        assert_true(cccc_process_read(pid, &process) && cccc_process_is_over(&process));
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_false(cccc_process_read(pid, &process));
    }
}

/* A daemon has the name, began then, and has not ended. */
static void a_daemon_is_told_from_what_has_its_number(void **state)
{
    (void)state;
    struct cccc_process process;
    pid_t pid = child_called("ccccd");
    assert_true(cccc_process_read(pid, &process));
    assert_true(cccc_is_daemon(pid, process.started) && cccc_is_daemon(pid, 0));
    assert_false(cccc_is_daemon(pid, process.started + 1));
    assert_false(cccc_is_daemon(getpid(), 0) || cccc_is_daemon(0, 0) || cccc_is_daemon(-1, 0) || cccc_is_daemon(INT64_MAX, 0));
    end_child(pid);
    assert_false(cccc_is_daemon(pid, process.started));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    pid = child_called("ccccd-store");
    assert_false(cccc_is_daemon(pid, 0));
    end_child(pid);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_may_hold_anything),
        cmocka_unit_test(a_daemon_is_told_from_what_has_its_number),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}

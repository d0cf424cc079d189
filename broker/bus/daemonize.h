/* daemonize.h - into the background, with the starter waiting until the daemon serves.
 *
 * Must be called before any thread is made and before any call of libzmq or CZMQ: a fork keeps only the calling thread (libzmq#3223, #4131).
 * Thread: main's. */
#pragma once

/* Fork. The parent does not return: it exits 0 when the child says it serves, else prints why not and exits 1. The child, leader of its own
 * session, with every inherited descriptor but 0 to 2 closed, gets the descriptor for one of the two below. */
int cccc_daemonize(void);
/* It serves: let the starter go, and move standard input away from and output to the file `log`. */
void cccc_daemonize_ready(int pipe_fd, const char *log);
/* It does not, and `why` is one line. */
void cccc_daemonize_failed(int pipe_fd, const char *why);

#!/bin/sh
# The core is pure: no file of it may include a header through which files, sockets, clocks, threads, processes or chance come in, nor call what
# needs no such header. Prints each offending line; exit 1 when there is one, 2 when there is nothing to look at.
set -u
core=${1:?usage: check_pure.sh <broker/core>}

files=$(find "$core" -name '*.[ch]')
[ -n "$files" ] || { echo "no sources in $core"; exit 2; }

headers='zmq|czmq|unistd|fcntl|time|sys/[a-z]*|pthread|threads|signal|dirent|poll|spawn|dlfcn|netdb|arpa/[a-z]*|netinet/[a-z]*|sodium/randombytes|sodium'
calls='fopen|fprintf|printf|getenv|system|rand|srand|random|drand48|getrandom|randombytes_buf|clock_gettime|localtime|gmtime'

bad=0
# shellcheck disable=SC2086 # the list is meant to be split
if grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($headers)\.h[>\"]" $files; then bad=1; fi
# shellcheck disable=SC2086
if grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*\"broker/(bus|store|hold)/" $files; then bad=1; fi
# shellcheck disable=SC2086
if grep -nE "(^|[^A-Za-z0-9_>.])($calls)\(" $files; then bad=1; fi
[ "$bad" = 0 ] || { echo "the core must stay pure (broker/ARCHITECTURE.md)"; exit 1; }

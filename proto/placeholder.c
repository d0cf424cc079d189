/* placeholder.c - gives the library a first object until its files are here. */
extern int cccc_placeholder; 

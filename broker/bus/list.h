/* list.h - a doubly linked list whose links are inside its members, for members that leave from the middle.
 *
 * All zero is an empty list, and a link that is in none. Owns nothing.
 * Thread: its owner's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cccc_link {
    struct cccc_link *prev, *next;
    bool in_list;
};

struct cccc_list {
    struct cccc_link *first, *last;
};

/* The member of type `type` whose `field` is `link`, and that of a list's first link, NULL when it is empty. */
#define CCCC_MEMBER(link, type, field) ((type *)(void *)((char *)(link)-offsetof(type, field)))
#define CCCC_FIRST(list, type, field)  ((list)->first ? CCCC_MEMBER((list)->first, type, field) : NULL)

/* Put `link`, which is in no list, at the end. */
static inline void cccc_list_append(struct cccc_list *self, struct cccc_link *link)
{
    *link = (struct cccc_link){.prev = self->last, .in_list = true};
    if (self->last)
        self->last->next = link;
    else
        self->first = link;
    self->last = link;
}

/* Take the first one out; NULL: the list is empty. */
static inline struct cccc_link *cccc_list_pop(struct cccc_list *self)
{
    struct cccc_link *link = self->first;
    if (!link)
        return NULL;
    self->first = link->next;
    if (self->first)
        self->first->prev = NULL;
    else
        self->last = NULL;
    *link = (struct cccc_link){.in_list = false};
    return link;
}

/* Take `link` out of the list it is in; nothing happens when it is in none. */
static inline void cccc_list_remove(struct cccc_list *self, struct cccc_link *link)
{
    if (!link->in_list)
        return;
    if (link->prev)
        link->prev->next = link->next;
    else
        self->first = link->next;
    if (link->next)
        link->next->prev = link->prev;
    else
        self->last = link->prev;
    *link = (struct cccc_link){.in_list = false};
}

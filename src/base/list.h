/* An intrusive, doubly linked, circular list.  The head is a node of its own;
 * an element holds a `struct list` and is found again by list_entry(). */
#ifndef RAFTSC_BASE_LIST_H
#define RAFTSC_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define list_entry(node, type, field)                                          \
    ((type *)(void *)((char *)(node)-offsetof(type, field)))

/* Every element of `head`; `node` may be removed inside the loop. */
#define list_each(node, following, head)                                       \
    for (struct list *node = (head)->next, *following = node->next;            \
         node != (head); node = following, following = node->next)

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_push_back(head->next, node);
}

/* All elements of `from`, in their order, behind those of `head`. */
static inline void list_move_all(struct list *head, struct list *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}

/* Leaves `node` a list of its own, so that removing it again is harmless. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#endif

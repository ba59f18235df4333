/* What the parts of the stem's library share. */

#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))
/* Of the interpreters' interfaces each process has one. */
#define OPTIONAL __attribute__((weak))

/* Serves the launcher. Returns in each child with its channel's descriptor, in the stem itself with -1 when
 * the launcher is gone. */
int kobel_stem_serve(int control);

/* Serves the launcher as a template. Returns in each child with 0, in the template itself with -1 when the launcher is
 * gone. A child's channel has the number `channel`. */
int kobel_template_serve(int channel);

/* In a child of a template: a descriptor of the template's /tmp. */
int kobel_template_tmp(void);

/* Puts a connection that is not connected in the place of each but `own`. */
void kobel_close_connections(int own);

/* Bears the child that was ordered: gives its number, a negative error number, or 0 in the child, which is in its
 * sandbox then. */
int64_t kobel_bear(void);

/* How children are born; `kobel_bear` unless the interpreter has work of its own around a fork. */
extern int64_t (*kobel_fork)(void);

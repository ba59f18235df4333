/* Ruby: an extension with one method, `KobelStem.serve`.
 *
 * Ruby has timers, descriptors and random numbers to renew in a forked process, and does so around its own
 * `Process.fork` alone. So that method is called, and the `fork` of the C library that it comes to is replaced by
 * this file's, since the library is preloaded: it bears a child of the stem when one was ordered. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "stem.h"

/* Ruby's interface, declared here because its headers are not on every machine that builds. */
typedef unsigned long VALUE;
typedef unsigned long ID;
extern VALUE rb_mProcess OPTIONAL;
extern VALUE rb_define_module(const char *) OPTIONAL;
extern void rb_define_module_function(VALUE, const char *, VALUE (*)(VALUE, VALUE), int) OPTIONAL;
extern ID rb_intern(const char *) OPTIONAL;
extern VALUE rb_funcallv(VALUE, ID, int, const VALUE *) OPTIONAL;
extern VALUE rb_protect(VALUE (*)(VALUE), VALUE, int *) OPTIONAL;
extern long rb_num2long(VALUE) OPTIONAL;
extern VALUE rb_int2inum(intptr_t) OPTIONAL;

/* Whether the next fork is a child's birth. */
static int bearing;
static int64_t born;

EXPORTED pid_t fork(void)
{
    static pid_t (*usual)(void);
    if (bearing) {
        born = kobel_bear();
        if (born < 0)
            errno = (int)-born;
        return born < 0 ? -1 : (pid_t)born;
    }
    if (!usual)
        usual = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
    return usual();
}

static VALUE call_fork(VALUE process)
{
    return rb_funcallv(process, rb_intern("fork"), 0, NULL);
}

static int64_t fork_by_ruby(void)
{
    int raised = 0;
    born = -EAGAIN;
    bearing = 1;
    rb_protect(call_fork, rb_mProcess, &raised);
    bearing = 0;
    return born;
}

static int threads(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks && (task = readdir(tasks));)
        count += task->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return count;
}

static VALUE serve(VALUE self, VALUE control)
{
    (void)self;
    /* A thread could hold a lock of the C library's, which nobody would ever open in a child. */
    if (threads() != 1) {
        fprintf(stderr, "this Ruby has a thread of its own, for its timer\n");
        _exit(1);
    }
    kobel_fork = fork_by_ruby;
    return rb_int2inum(kobel_stem_serve((int)rb_num2long(control)));
}

EXPORTED void Init_stem(void)
{
    rb_define_module_function(rb_define_module("KobelStem"), "serve", serve, 1);
}

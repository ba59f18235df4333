/* Node.js: an addon. Its interface is declared here because its headers are not on every machine that builds. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stem.h"

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
struct uv_loop_s;

extern int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *) OPTIONAL;
extern int napi_set_named_property(napi_env, napi_value, const char *, napi_value) OPTIONAL;
extern int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **) OPTIONAL;
extern int napi_get_value_int32(napi_env, napi_value, int32_t *) OPTIONAL;
extern int napi_create_int32(napi_env, int32_t, napi_value *) OPTIONAL;
extern int napi_get_uv_event_loop(napi_env, struct uv_loop_s **) OPTIONAL;
extern int uv_loop_fork(struct uv_loop_s *) OPTIONAL;

static int32_t first_argument(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value argument;
    int32_t value = -1;
    napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
    napi_get_value_int32(env, argument, &value);
    return value;
}

/* What libraries do in a child after a fork of the C library: libuv forgets its threads. The children of templates are
 * born without that fork, so it is noted here, since this library is preloaded. */
#define AFTER_FORK_MAX 64
static void (*after_fork[AFTER_FORK_MAX])(void);
static int after_fork_count;

EXPORTED int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object)
{
    static int (*usual)(void (*)(void), void (*)(void), void (*)(void), void *);
    if (!usual)
        usual = (int (*)(void (*)(void), void (*)(void), void (*)(void), void *))dlsym(RTLD_NEXT, "__register_atfork");
    if (child && after_fork_count < AFTER_FORK_MAX)
        after_fork[after_fork_count++] = child;
    return usual(prepare, parent, child, object);
}

static void run_after_fork(void)
{
    for (int index = 0; index < after_fork_count; index++)
        after_fork[index]();
}

/* V8 marks its heap as not to be copied by a fork; here it must be. */
static void copy_all_on_fork(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char *line = NULL;
    size_t size = 0;
    while (maps && getline(&line, &size, maps) > 0) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && !strstr(line, "[v"))
            madvise((void *)start, end - start, MADV_DOFORK);
    }
    free(line);
    if (maps)
        fclose(maps);
}

static napi_value node_serve(napi_env env, napi_callback_info info)
{
    int control = first_argument(env, info);
    copy_all_on_fork();
    int channel = kobel_stem_serve(control);
    if (channel < 0)
        _exit(0);
    struct uv_loop_s *loop = NULL;
    napi_get_uv_event_loop(env, &loop);
    if (!loop || uv_loop_fork(loop) != 0)
        _exit(126);
    napi_value result;
    napi_create_int32(env, channel, &result);
    return result;
}

/* An orderly exit would wait for threads that only the stem has. */
static napi_value node_exit(napi_env env, napi_callback_info info)
{
    _exit(first_argument(env, info));
    return NULL;
}

/* Serves as a template; returns in each child, whose channel has the number of the template's. */
static napi_value node_template(napi_env env, napi_callback_info info)
{
    int channel = first_argument(env, info);
    copy_all_on_fork();
    if (kobel_template_serve(channel) < 0)
        _exit(0);
    run_after_fork();
    kobel_close_connections(channel);
    fcntl(channel, F_SETFL, O_NONBLOCK);
    struct uv_loop_s *loop = NULL;
    napi_get_uv_event_loop(env, &loop);
    if (!loop || uv_loop_fork(loop) != 0)
        _exit(126);
    napi_value result;
    napi_create_int32(env, kobel_template_tmp(), &result);
    return result;
}

EXPORTED napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    static const struct {
        const char *name;
        napi_callback function;
    } functions[] = { { "serve", node_serve }, { "exit", node_exit }, { "template", node_template } };
    for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
        napi_value function;
        napi_create_function(env, functions[index].name, strlen(functions[index].name), functions[index].function,
                             NULL, &function);
        napi_set_named_property(env, exports, functions[index].name, function);
    }
    return exports;
}

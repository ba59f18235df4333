/* The stem: a booted interpreter without user code, which is forked into prepared sandboxes.
 *
 * The interpreter loads this library (Python by ctypes, Node.js as an addon, Ruby as an extension) and calls
 * `kobel_stem_serve`, which waits for the launcher's orders. For each one it forks into the sandbox's
 * process namespace, as a child of the launcher. The child enters the sandbox's other namespaces, gives
 * up every privilege, loads the system call filter and returns to the interpreter, which then becomes one
 * function's runtime. The stem itself never sees code or data of a function.
 *
 * A child may become a template: one function's runtime after its init, which is forked in its turn. It runs
 * the function's code, so it is not trusted: of all privileges it keeps the two that entering namespaces takes,
 * which hold in the user namespace that it shares with its own children and with nobody else, and which are
 * not in effect before it calls `kobel_template_serve`. Its children give them up too.
 *
 * Messages are packets of the structures below, in the machine's byte order: `launcher/stem.rs` is the
 * other side. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stem.h"

#define FILTER_MAX 1024
#define DESCRIPTORS_MAX 16
#define NAMESPACES 6
#define CAPABILITY_MAX 63
#define CGROUP2 2

/* What all children of this stem become. The filter of templates follows that of all others. */
struct setup {
    uint32_t uid;
    uint32_t gid;
    uint32_t clear_groups;
    uint32_t open_files_max;
    uint32_t filter_length;
    uint32_t template_filter_length;
    struct sock_filter filter[FILTER_MAX];
};

/* One child. A stem's comes with the descriptors: the sandbox's first process, output, channel, the control of the
 * template that it becomes if it does, then control groups to enter. A template's comes with those of the
 * sandbox's namespaces (processes, mounts, network, IPC, host name, control groups), output, channel, groups. */
struct order {
    uint64_t serial;
    uint32_t processes_max;
    uint32_t group_version;
    uint32_t is_template;
    uint32_t unused;
};

/* `pid` is the child's, a negative error number, or 0: with it the stem says that it is ready, and the child of
 * a template that it is inside its sandbox. */
struct answer {
    uint64_t serial;
    int64_t pid;
};

struct received {
    struct order order;
    int descriptors[DESCRIPTORS_MAX];
    int count;
};

static struct setup setup;
static int *thread_id;
/* The control of the template that this process is. */
static int template_control = -1;
/* The template's /tmp, in its children. */
static int template_tmp = -1;

static int receive(int control, struct received *received, int count_min)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
        struct cmsghdr align;
    } space;
    struct iovec part = { &received->order, sizeof received->order };
    struct msghdr message = { 0 };
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space.bytes;
    message.msg_controllen = sizeof space.bytes;
    ssize_t length;
    do {
        length = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    received->count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        received->count = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(received->descriptors, CMSG_DATA(head), sizeof(int) * (size_t)received->count);
    }
    return length == (ssize_t)sizeof received->order && received->count >= count_min;
}

static int answer(int control, uint64_t serial, int64_t pid)
{
    struct answer said = { serial, pid };
    return send(control, &said, sizeof said, MSG_NOSIGNAL) == (ssize_t)sizeof said;
}

/* As fork of the C library does it, but as a child of this process's parent. The caller has one thread. */
static int64_t fork_sibling(const struct received *received)
{
    struct clone_args arguments = { 0 };
    arguments.flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    arguments.child_tid = (uint64_t)(uintptr_t)thread_id;
    int group = 3 + (received->order.is_template != 0);
    if (received->order.group_version == CGROUP2 && received->count > group) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)received->descriptors[group];
    }
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    return pid < 0 ? -errno : pid;
}

static void limit(int resource, rlim_t value)
{
    struct rlimit both = { value, value };
    setrlimit(resource, &both);
}

/* What entering namespaces takes. */
#define POWER (1U << CAP_SYS_ADMIN | 1U << CAP_SYS_CHROOT)

static int set_capabilities(uint32_t effective, uint32_t permitted)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct both[2] = { { effective, permitted, 0 }, { 0, 0, 0 } };
    return (int)syscall(SYS_capset, &header, both);
}

static int drop_privileges(uint32_t kept)
{
    for (unsigned long capability = 0; capability <= CAPABILITY_MAX; capability++)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return -1;
    if (set_capabilities(0, kept) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int load_filter(int for_template)
{
    struct sock_fprog program = { (unsigned short)setup.filter_length, setup.filter };
    if (for_template) {
        program.len = (unsigned short)setup.template_filter_length;
        program.filter = setup.filter + setup.filter_length;
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int enter_groups(const struct received *received, int first)
{
    for (int index = first; index < received->count; index++)
        if (write(received->descriptors[index], "0", 1) != 1)
            return -1;
    return 0;
}

/* Makes the child a process of the sandbox. On failure the name of the step, with errno. */
static const char *enter(const struct received *received)
{
    const int *descriptors = received->descriptors;
    int is_template = received->order.is_template != 0;
    if (received->order.group_version != CGROUP2 && enter_groups(received, 3 + is_template) < 0)
        return "enter a control group";
    if (setns(descriptors[0], CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
                                  | CLONE_NEWCGROUP) < 0)
        return "enter the namespaces";
    if (setsid() < 0)
        return "begin a session";
    if (dup2(descriptors[1], 1) < 0 || dup2(descriptors[1], 2) < 0)
        return "place the output";
    /* Not by the C library, which would ask threads to follow that only the stem has. */
    if (setup.clear_groups && syscall(SYS_setgroups, 0, NULL) < 0)
        return "forget groups";
    if (syscall(SYS_setresgid, setup.gid, setup.gid, setup.gid) < 0
        || syscall(SYS_setresuid, setup.uid, setup.uid, setup.uid) < 0)
        return "change the user";
    if (chdir("/var/task") < 0)
        return "enter /var/task";
    limit(RLIMIT_NOFILE, setup.open_files_max);
    limit(RLIMIT_NPROC, received->order.processes_max);
    limit(RLIMIT_CORE, 0);
    if (drop_privileges(is_template ? POWER : 0) < 0)
        return "drop privileges";
    /* A changed user makes the process unreadable to itself in /proc. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (load_filter(is_template) < 0)
        return "load the filter";
    return NULL;
}

static void close_all(const struct received *received)
{
    for (int index = 0; index < received->count; index++)
        close(received->descriptors[index]);
}

/* The child's side; gives the channel's descriptor. */
static int become_runtime(int control, const struct received *received)
{
    close(control);
    const char *step = enter(received);
    if (step) {
        dprintf(received->descriptors[1], "failed to %s: %s\n", step, strerror(errno));
        _exit(126);
    }
    /* The channel has the number that the control had, as in a runtime that was executed. */
    int channel = dup3(received->descriptors[2], control, O_CLOEXEC);
    if (received->order.is_template)
        template_control = fcntl(received->descriptors[3], F_DUPFD_CLOEXEC, 0);
    close_all(received);
    return channel;
}

static int begin(int control)
{
    ssize_t length = recv(control, &setup, sizeof setup, 0);
    size_t filters = (size_t)setup.filter_length + setup.template_filter_length;
    size_t expected = offsetof(struct setup, filter) + filters * sizeof(struct sock_filter);
    if (length < (ssize_t)offsetof(struct setup, filter) || filters > FILTER_MAX || (size_t)length != expected)
        return 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    fcntl(control, F_SETFD, FD_CLOEXEC);
    /* Where the C library keeps the thread's id, which must be the child's own after a fork. */
    if (prctl(PR_GET_TID_ADDRESS, &thread_id, 0, 0, 0) < 0)
        return answer(control, 0, -errno) & 0;
    return answer(control, 0, 0);
}

/* The child that is to be born, and what comes of it in itself. */
static struct {
    const struct received *received;
    int control;
    int channel;
} birth;

int64_t kobel_bear(void)
{
    int64_t pid = fork_sibling(birth.received);
    if (pid == 0)
        birth.channel = become_runtime(birth.control, birth.received);
    return pid;
}

int64_t (*kobel_fork)(void) = kobel_bear;

EXPORTED int kobel_stem_serve(int control)
{
    if (!begin(control))
        return -1;
    struct received received;
    birth.received = &received;
    birth.control = control;
    while (receive(control, &received, 3)) {
        /* Only for its children. There is no way back for a stem without privileges, and no need: each order
         * leads elsewhere. */
        int64_t pid = setns(received.descriptors[0], CLONE_NEWPID) < 0 ? -errno : kobel_fork();
        if (pid == 0)
            return birth.channel;
        close_all(&received);
        if (!answer(control, received.order.serial, pid))
            return -1;
    }
    return -1;
}

/* As `fork_sibling`, by the call that the filter lets through. */
static int64_t fork_template(void)
{
    unsigned long flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
#if defined(__x86_64__)
    long pid = syscall(SYS_clone, flags, NULL, NULL, thread_id, 0);
#else
    long pid = syscall(SYS_clone, flags, NULL, NULL, 0, thread_id);
#endif
    return pid < 0 ? -errno : pid;
}

/* Makes a template's child a process of its own sandbox. On failure the name of the step, with errno. */
static const char *enter_from_template(const struct received *received, int channel)
{
    static const int kinds[NAMESPACES] = { 0, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP };
    const int *descriptors = received->descriptors;
    if (enter_groups(received, NAMESPACES + 2) < 0)
        return "enter a control group";
    template_tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int index = 1; index < NAMESPACES; index++)
        if (setns(descriptors[index], kinds[index]) < 0)
            return "enter the namespaces";
    if (setsid() < 0)
        return "begin a session";
    if (dup2(descriptors[NAMESPACES], 1) < 0 || dup2(descriptors[NAMESPACES], 2) < 0)
        return "place the output";
    if (chdir("/var/task") < 0)
        return "enter /var/task";
    if (set_capabilities(0, 0) < 0)
        return "drop privileges";
    if (load_filter(0) < 0)
        return "load the filter";
    if (dup3(descriptors[NAMESPACES + 1], channel, O_CLOEXEC) < 0)
        return "place the channel";
    return NULL;
}

/* Serves the launcher, after `kobel_stem_serve` made this process a template. Returns in each child with 0, in the
 * template itself with -1 when the launcher is gone. A child's channel has the number `channel`. */
EXPORTED int kobel_template_serve(int channel)
{
    struct received received;
    if (set_capabilities(POWER, POWER) < 0)
        return -1;
    while (receive(template_control, &received, NAMESPACES + 2)) {
        uint64_t serial = received.order.serial;
        int64_t pid = setns(received.descriptors[0], CLONE_NEWPID) < 0 ? -errno : fork_template();
        if (pid == 0) {
            const char *step = enter_from_template(&received, channel);
            int error = errno;
            /* The kernel tells the launcher who says so. */
            answer(template_control, serial, step ? -error : 0);
            if (step) {
                dprintf(received.descriptors[NAMESPACES], "failed to %s: %s\n", step, strerror(error));
                _exit(126);
            }
            close(template_control);
            close_all(&received);
            return 0;
        }
        close_all(&received);
        if (pid < 0 && !answer(template_control, serial, pid))
            return -1;
    }
    return -1;
}

/* Puts a connection that is not connected in the place of each but `own`: the template's are not the child's. */
EXPORTED void kobel_close_connections(int own)
{
    DIR *descriptors = opendir("/proc/self/fd");
    for (struct dirent *entry; descriptors && (entry = readdir(descriptors));) {
        struct stat facts;
        int descriptor = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || descriptor == own || fstat(descriptor, &facts) < 0 || !S_ISSOCK(facts.st_mode))
            continue;
        int dead = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (dead >= 0) {
            dup3(dead, descriptor, O_CLOEXEC);
            close(dead);
        }
    }
    if (descriptors)
        closedir(descriptors);
}

/* In a child of a template: a descriptor of the template's /tmp. */
EXPORTED int kobel_template_tmp(void)
{
    return template_tmp;
}

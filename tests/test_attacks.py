"""Attacks from inside a function on the host, on Kobel and on other functions, under the namespaces driver.

Each must fail, and leave the server as it was. docs/threat-model.md names the tests for what it claims.
"""

import http.client
import os
import socket

import pytest

from attacks import own_address, stage, unharmed  # noqa: F401

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="system calls are made by their numbers")

FORBIDDEN = {
    "acct": 163, "add_key": 248, "bpf": 321, "chroot": 161, "clock_settime": 227, "delete_module": 176,
    "fanotify_init": 300, "finit_module": 313, "fsopen": 430, "init_module": 175, "ioperm": 173, "iopl": 172,
    "kcmp": 312, "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250, "modify_ldt": 154, "mount": 165,
    "mount_setattr": 442, "move_mount": 429, "move_pages": 279, "name_to_handle_at": 303, "open_by_handle_at": 304,
    "open_tree": 428, "perf_event_open": 298, "personality": 135, "pidfd_getfd": 438, "pivot_root": 155,
    "process_madvise": 440, "process_vm_readv": 310, "process_vm_writev": 311, "ptrace": 101, "quotactl": 179,
    "reboot": 169, "request_key": 249, "setdomainname": 171, "sethostname": 170, "setns": 308, "settimeofday": 164,
    "swapoff": 168, "swapon": 167, "syslog": 103, "umount2": 166, "unshare": 272, "userfaultfd": 323, "vhangup": 153,
}  # fmt: skip
ABSENT = {"clone3": 435, "io_uring_enter": 426, "io_uring_register": 427, "io_uring_setup": 425, "later": 468}


# Files


def test_reading_the_host_s_files(stage, name):
    host = stage.host()
    paths = ["/etc/shadow", "/etc/ssh", "/root", "/home", "/var/lib", "/var/log", "/run", "/sys", "/boot", "/mnt", host.data]
    paths += [f"/proc/1/root{path}" for path in ("/etc/shadow", "/root", host.data)]
    paths += [f"/proc/self/cwd/../../..{path}" for path in ("/etc/shadow", host.data)]
    code = """
def look(path):
    (os.listdir if os.path.isdir(path) else open)(path)
result = {path: attempt(look, path) for path in event["paths"]}
"""
    result = stage.result(name, code, event={"paths": paths})
    assert set(result.values()) <= {"ENOENT", "EACCES"}, result


def test_writing_outside_of_tmp(stage, name):
    code = """
folders = ["/", "/bin", "/dev", "/etc", "/opt", "/usr", "/usr/lib", "/var", "/var/lang", "/var/runtime", "/var/task"]
result = {folder: attempt(open, folder + "/new", "w") for folder in folders}
result |= {path: attempt(open, path, "a") for path in ["/etc/passwd", "/var/task/attack.py", "/usr/bin/env"]}
result |= {"remove": attempt(os.unlink, "/var/task/attack.py"), "rename": attempt(os.rename, "/etc", "/tmp/etc")}
result["chmod"] = attempt(os.chmod, "/var/task/attack.py", 0o777)
"""
    result = stage.result(name, code)
    assert set(result.values()) <= {"EROFS", "EACCES", "EPERM", "EXDEV"}, result


def test_remounting_what_is_read_only(stage, name):
    code = """
MS_REMOUNT, MS_BIND = 32, 4096
result = [syscall(165, 0, path, 0, MS_REMOUNT | MS_BIND, 0) for path in (b"/", b"/var/task", b"/usr")]
"""
    assert set(stage.result(name, code)) == {"EPERM"}


def test_descriptors_of_the_host_are_not_inherited(stage, name):
    code = """
result = {}
for number in os.listdir("/proc/self/fd"):
    try:
        result[number] = os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:
        pass
"""
    for number, target in stage.result(name, code).items():
        harmless = target == "/dev/null" or target.startswith(("pipe:", "socket:", "anon_inode:", "/proc/"))
        assert harmless, (number, target)


def test_secrets_of_other_functions_are_nowhere(stage, name):
    code = """
secret = b"kobel-" + b"secret"
found = []
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("usr", "proc", "lib", "bin", "sbin", "lib64")]
    for name in files:
        path = os.path.join(folder, name)
        try:
            if os.path.isfile(path) and (secret in path.encode() or secret in open(path, "rb").read()):
                found.append(path)
        except OSError:
            pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    for file in ("environ", "cmdline"):
        try:
            if secret in open(f"/proc/{pid}/{file}", "rb").read():
                found.append(f"{pid}/{file}")
        except OSError:
            pass
result = found
"""
    assert stage.result(name, code) == []


# Processes


def test_foreign_processes_are_not_seen(stage, name):
    code = """
result = [[int(pid), open(f"/proc/{pid}/comm").read().strip()] for pid in os.listdir("/proc") if pid.isdigit()]
"""
    processes = stage.result(name, code)
    assert len(processes) == 2, processes
    assert 1 in dict(processes)


def test_foreign_processes_are_not_signalled(stage, name):
    code = """
result = {pid: attempt(os.kill, pid, 9) for pid in [event["pid"], os.getppid() + 100000]}
result["all"] = attempt(os.kill, -1, 0)
result["init"] = attempt(os.kill, 1, 9)
result["still"] = os.path.exists("/proc/1")
"""
    result = stage.result(name, code, event={"pid": stage.pid})
    assert result.pop("still") is True
    assert result.pop("init") in ("ok", "EPERM")
    assert set(result.values()) <= {"ESRCH", "EPERM"}, result


def test_killing_all_of_its_own_sandbox(stage, name):
    code = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
attempt(os.kill, -1, signal.SIGTERM)
for number in range(1, 65):
    attempt(os.kill, 1, number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert stage.attack(name, code).payload["errorType"] == "Runtime.ExitError"


def test_looking_into_the_init_process(stage, name):
    code = """
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
result = {file: attempt(open, f"/proc/1/{file}", "rb") for file in ("mem", "environ", "maps", "auxv")}
result |= {file: attempt(os.listdir, f"/proc/1/{file}") for file in ("root/", "cwd/", "map_files")}
# Without root the numbers of its descriptors show, but not what they are.
result["fd"] = attempt(lambda: [os.readlink(f"/proc/1/fd/{number}") for number in os.listdir("/proc/1/fd")])
result |= {"attach": syscall(101, PTRACE_ATTACH, 1, 0, 0), "seize": syscall(101, PTRACE_SEIZE, 1, 0, 0)}
"""
    result = stage.result(name, code)
    for file in ("environ", "maps", "auxv"):
        # They open, but whoever may not trace reads nothing.
        result.pop(file)
    assert set(result.values()) <= {"EACCES", "EPERM"}, result


# System calls


def test_system_calls_that_no_function_needs(stage, name):
    code = "result = {name: syscall(number, 0, 0, 0, 0, 0, 0) for name, number in event['calls'].items()}"
    result = stage.result(name, code, event={"calls": FORBIDDEN | ABSENT})
    assert {call: result[call] for call in FORBIDDEN} == dict.fromkeys(FORBIDDEN, "EPERM")
    assert {call: result[call] for call in ABSENT} == dict.fromkeys(ABSENT, "ENOSYS")


def test_new_namespaces(stage, name):
    code = """
SIGCHLD = 17
kinds = {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000,
         "uts": 0x4000000, "cgroup": 0x2000000, "time": 0x80}
result = {}
for kind, flag in kinds.items():
    result["unshare " + kind] = syscall(272, flag)
    if kind != "time":
        result["clone " + kind] = syscall(56, flag | SIGCHLD, 0, 0, 0, 0)
for kind in ("mnt", "net", "pid", "user"):
    try:
        own = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
        result["setns " + kind] = syscall(308, own, 0)
    except PermissionError:
        pass
"""
    assert set(stage.result(name, code).values()) == {"EPERM"}


def test_calls_of_other_architectures(stage, name):
    code = """
import ctypes, mmap
def run(machine_code):
    child = os.fork()
    if child == 0:
        memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        memory.write(machine_code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        number = ctypes.CFUNCTYPE(ctypes.c_long)(address)()
        os._exit(0 if number > 0 else 1)
    return os.waitpid(child, 0)[1]
result = {
    # mov eax, 20 (getpid); int 0x80; ret
    "i386": run(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3"),
    # mov eax, 0x40000027 (getpid of x32); syscall; cdqe; ret
    "x32": run(b"\\xb8\\x27\\x00\\x00\\x40\\x0f\\x05\\x48\\x98\\xc3"),
}
"""
    result = stage.result(name, code)
    assert result["i386"] != 0
    assert result["x32"] != 0


def test_privileges_are_gone_for_good(stage, name):
    code = """
import shutil, stat, subprocess
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
shutil.copy("/usr/bin/id", "/tmp/id")
result = {
    "capabilities": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no new privileges": status["NoNewPrivs"].strip(),
    "filter": status["Seccomp"].strip(),
    "setuid": attempt(os.setuid, 0),
    "setgid": attempt(os.setgid, 0),
    "setgroups": attempt(os.setgroups, [0]),
    "chown": attempt(os.chown, "/tmp/id", 0, 0),
    "uid": os.getuid(),
}
os.chmod("/tmp/id", 0o4755)
result["set-uid program"] = subprocess.run(["/tmp/id", "-u"], capture_output=True, text=True).stdout.strip()
"""
    result = stage.result(name, code)
    assert set(result["capabilities"]) == {"0" * 16}
    assert (result["no new privileges"], result["filter"]) == ("1", "2")
    assert {result[call] for call in ("setuid", "setgid", "setgroups", "chown")} <= {"EPERM", "EINVAL"}
    assert result["uid"] != 0
    assert result["set-uid program"] == str(result["uid"])


def test_set_uid_programs_of_the_host(stage, name):
    code = """
import subprocess
result = {}
for program in ("su", "passwd", "mount", "umount", "newgrp", "chsh", "sudo", "pkexec"):
    path = "/usr/bin/" + program
    if os.path.exists(path):
        child = subprocess.Popen([path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            uids = open(f"/proc/{child.pid}/status").read().split("Uid:")[1].split()[:4]
            result[program] = sorted({int(uid) for uid in uids})
        except OSError:
            result[program] = []
        child.kill()
        child.wait()
result["own"] = [os.getuid()]
"""
    result = stage.result(name, code)
    own = result.pop("own")
    assert all(uids in ([], own) for uids in result.values()), result


def test_making_device_nodes(stage, name):
    code = """
import stat
nodes = {"mem": (stat.S_IFCHR, 1, 1), "kmsg": (stat.S_IFCHR, 1, 11), "disk": (stat.S_IFBLK, 8, 0), "fuse": (stat.S_IFCHR, 10, 229)}
result = {n: attempt(os.mknod, f"/tmp/{n}", kind | 0o666, os.makedev(a, b)) for n, (kind, a, b) in nodes.items()}
result["devices"] = sorted(os.listdir("/dev"))
"""
    result = stage.result(name, code)
    devices = result.pop("devices")
    assert set(devices) == {"fd", "full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"}
    assert set(result.values()) == {"EPERM"}


def test_writing_to_the_terminal_of_kobel(stage, name):
    code = """
import fcntl, termios
def push(descriptor):
    fcntl.ioctl(descriptor, termios.TIOCSTI, b"x")
result = {number: attempt(push, number) for number in range(4)}
result["tty"] = attempt(open, "/dev/tty", "w")
"""
    result = stage.result(name, code)
    assert set(result.values()) <= {"ENOTTY", "EPERM", "EROFS"}, result


def test_changing_the_kernel_s_settings(stage, name):
    code = """
def write(path, text):
    with open(path, "w") as file:
        file.write(text)
settings = {
    "/proc/sys/kernel/core_pattern": "|/tmp/x", "/proc/sys/kernel/modprobe": "/tmp/x", "/proc/sys/vm/overcommit_memory": "1",
    "/proc/sys/kernel/hostname": "x", "/proc/sys/net/ipv4/ip_forward": "1", "/proc/sys/fs/file-max": "1",
    "/proc/sysrq-trigger": "b", "/proc/self/uid_map": "0 0 1", "/proc/self/oom_score_adj": "-1000",
    "/proc/1/oom_score_adj": "-1000", "/proc/irq/default_smp_affinity": "1", "/proc/self/setgroups": "allow",
}
result = {path: attempt(write, path, text) for path, text in settings.items()}
"""
    result = stage.result(name, code)
    assert "ok" not in result.values(), result


def test_leaving_the_control_groups(stage, name):
    code = """
import glob
result = {
    "mounts": [line for line in open("/proc/self/mounts").read().splitlines() if " cgroup" in line],
    "cgroupfs": syscall(165, b"x", b"/tmp", b"cgroup2", 0, 0),
    "files": glob.glob("/sys/fs/cgroup/*") + glob.glob("/proc/1/root/sys/fs/cgroup/*"),
    "release_agent": attempt(open, "/sys/fs/cgroup/release_agent", "w"),
}
"""
    expected = {"mounts": [], "cgroupfs": "EPERM", "files": [], "release_agent": "ENOENT"}
    assert stage.result(name, code) == expected


# Network


def test_sockets_of_other_kinds(stage, name):
    code = """
import socket
kinds = {
    "raw": (socket.AF_INET, socket.SOCK_RAW, 1), "raw6": (socket.AF_INET6, socket.SOCK_RAW, 58),
    "packet": (socket.AF_PACKET, socket.SOCK_RAW, 3), "alg": (38, socket.SOCK_SEQPACKET, 0),
    "vsock": (40, socket.SOCK_STREAM, 0), "bluetooth": (31, socket.SOCK_RAW, 0), "can": (29, socket.SOCK_RAW, 1),
    "xdp": (44, socket.SOCK_RAW, 0), "netfilter": (16, socket.SOCK_RAW, 12), "sctp": (socket.AF_INET, socket.SOCK_STREAM, 132),
}
result = {kind: attempt(socket.socket, *numbers) for kind, numbers in kinds.items()}
"""
    result = stage.result(name, code)
    # A netlink socket opens: what it is asked to change is refused.
    result.pop("netfilter")
    assert "ok" not in result.values(), result


def test_changing_the_network(stage, name):
    code = """
import socket, struct
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
RTM_NEWLINK, RTM_NEWADDR, REQUEST_ACK = 16, 20, 5
def ask(kind, body):
    route.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST_ACK, 1, 0) + body)
    return -struct.unpack_from("=i", route.recv(4096), 16)[0]
result = [ask(RTM_NEWLINK, struct.pack("=BBHiII", 0, 0, 0, 1, 0, 1)),
          ask(RTM_NEWADDR, struct.pack("=BBBBI", 2, 8, 0, 0, 1) + struct.pack("=HH4s", 8, 2, bytes([10, 0, 0, 1])))]
"""
    assert set(stage.result(name, code)) == {1}


def test_only_the_endpoint_and_the_runtime_api_answer_on_loopback(stage, name):
    code = """
import socket
result = []
for port in range(1, 65536):
    with socket.socket() as client:
        # A client may be given the very port that it calls, and reach itself.
        if client.connect_ex(("127.0.0.1", port)) == 0 and client.getsockname() != client.getpeername():
            result.append(port)
"""
    found = stage.result(name, code, Timeout=60)
    assert len(found) == 2 and 9001 in found, found


def test_services_of_the_host_are_not_reached(stage, name):
    with socket.create_server(("0.0.0.0", 0)) as service:
        port = service.getsockname()[1]
        code = """
import socket
addresses = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "169.254.169.254", event["own"], "10.0.0.1", "192.168.0.1", "192.0.0.1",
             "192.0.0.2", "255.255.255.255", "224.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1", "fd00::2"]
result = {address: attempt(socket.create_connection, (address, event["port"]), 10) for address in addresses}
"""
        own = own_address()
        result = stage.result(name, code, event={"port": port, "own": own}, Timeout=60)
    refused = {"ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "EHOSTUNREACH", "EINVAL", "EACCES"}
    assert set(result.values()) <= refused, result


def test_scanning_the_host_s_ports(stage, name):
    """Neither by its own addresses nor by the gateway: the server's port is among those that nobody may find."""
    code = """
import socket
result = []
for address in ("192.0.0.1", event["own"]):
    for port in [*range(1, 1024), 9001, event["port"]]:
        with socket.socket() as client:
            client.settimeout(10)
            # The gateway answers names. The kernel may lose a refusal, and tell of a connection that is none.
            if client.connect_ex((address, port)) == 0 and (address, port) != ("192.0.0.1", 53):
                try:
                    client.getpeername()
                except OSError:
                    continue
                result.append([address, port])
"""
    own = own_address()
    assert stage.result(name, code, event={"port": stage.server.port, "own": own}, Timeout=120) == []


def test_datagrams_to_services_of_the_host(stage, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind(("0.0.0.0", 0))
        service.setblocking(False)
        code = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
addresses = ["127.0.0.1", "192.0.0.1", event["own"], "255.255.255.255", "224.0.0.1", "169.254.169.254"]
result = [attempt(client.sendto, b"found", (address, event["port"])) for address in addresses]
connected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
connected.settimeout(10)
connected.connect((event["own"], event["port"]))
connected.send(b"found")
result = attempt(connected.recv, 1)
"""
        own = own_address()
        result = stage.result(name, code, event={"port": service.getsockname()[1], "own": own}, Timeout=60)
        assert result in ("EHOSTUNREACH", "ECONNREFUSED"), result
        with pytest.raises(BlockingIOError):
            service.recv(16)


def test_taking_addresses_that_are_not_its_own(stage, name):
    code = """
import socket
IP_FREEBIND = 15
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
client.bind(("203.0.113.77", 0))
client.settimeout(1)
question = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0\\0\\1\\0\\1"
result = [attempt(client.sendto, question, ("192.0.0.1", 53)), attempt(client.recv, 512)]
"""
    assert stage.result(name, code) == ["ENETUNREACH", "timed out"]


def test_ports_of_the_host_are_not_taken(stage, name):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = """
import socket
server = socket.create_server(("0.0.0.0", event["port"]))
with socket.create_connection(("127.0.0.1", event["port"])):
    result = "listens"
import threading
threading.Thread(target=server.accept, daemon=True).start()
"""
    assert stage.result(name, code, event={"port": port}) == "listens"
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_abstract_sockets_of_the_host_are_not_reached(stage, name):
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(f"\0{name}")
        service.listen()
        code = """
import socket
client = socket.socket(socket.AF_UNIX)
result = [attempt(client.connect, "\\0" + event["name"]), event["name"] in open("/proc/net/unix").read()]
"""
        assert stage.result(name, code, event={"name": name}) == ["ECONNREFUSED", False]


def test_the_admin_api_does_not_answer(stage, name):
    code = """
import http.client, json, os, socket
from urllib.parse import urlsplit
origin = urlsplit(os.environ["AWS_ENDPOINT_URL"])
names = ("time", "resource-types", "events", "health", "api/lambda/ListFunctions", "api/s3/ListBuckets")
result = []
def ask(target, **headers):
    connection = http.client.HTTPConnection(origin.hostname, origin.port, timeout=10)
    connection.putrequest("GET", target, skip_host="Host" in headers)
    for header, value in headers.items():
        connection.putheader(header.replace("_", "-"), value)
    connection.endheaders()
    reply = connection.getresponse()
    result.append([target, reply.status, reply.read().decode()])
for name in names:
    path = "/_kobel/" + name
    ask(path)
    ask(path, Host="localhost")
    ask(path, X_Forwarded_For="127.0.0.1", Forwarded="for=127.0.0.1")
    ask(origin.geturl() + path)
    ask("/." + path)
    ask("/x/.." + path)
    ask("/" + path)
    ask("/%5fkobel/" + name)
    ask("/_KOBEL/" + name)
"""
    for target, status, body in stage.result(name, code):
        assert status >= 400, (target, status, body)
    with_access = http.client.HTTPConnection("127.0.0.1", stage.server.port)
    with_access.request("GET", "/_kobel/resource-types")
    assert with_access.getresponse().status == 200

// SPDX-License-Identifier: Apache-2.0
//
// Tries everything by which root in an image could reach the host, and says
// of each attempt `NAME refused ERROR` or `NAME DONE`. Nothing here harms a
// host that it reaches.
//
//   escape CANARY MAJOR:MINOR SOCKET PID
//
// CANARY is a file of the host, MAJOR:MINOR a disk of it, SOCKET an abstract
// unix socket somebody listens on, PID a process.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/loop.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static const char *canary, *socket_name;
static dev_t disk;
static pid_t witness;

static void report(const char *name, long result) {
    if (result < 0)
        printf("%s refused %s\n", name, strerrorname_np(errno));
    else
        printf("%s DONE\n", name);
    fflush(stdout);
}

// Runs an attempt that changes its process in a process of its own.
static void apart(const char *name, long (*attempt)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        report(name, attempt());
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status)) printf("%s refused SIGNAL\n", name);
}

static long open_for(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -1;
    close(fd);
    return 0;
}

static long write_to(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    long written = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return written;
}

// Nothing to read is as good as a refusal.
static long read_from(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return -1;
    char byte;
    errno = ENODATA;
    long got = read(fd, &byte, 1) > 0 ? 0 : -1;
    int error = errno;
    close(fd);
    errno = error;
    return got;
}

static long canary_seen(void) { return access(canary, F_OK); }

// --- the kernel's switches ---------------------------------------------------

static void switches(void) {
    static const char *const files[] = {
        "/proc/sys/kernel/hostname",     "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",     "/proc/sys/kernel/panic",
        "/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/fs/file-max",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[256];
        snprintf(name, sizeof name, "write:%s", files[i]);
        report(name, open_for(files[i], O_WRONLY));
    }
    report("sysrq", write_to("/proc/sysrq-trigger", "h"));
    report("read:/proc/kcore", read_from("/proc/kcore"));
    report("read:/proc/keys", read_from("/proc/keys"));
    report("read:/proc/kmsg", read_from("/proc/kmsg"));
    report("reboot", reboot(RB_ENABLE_CAD));
    report("sethostname", sethostname("escaped", 7));
    report("setdomainname", setdomainname("escaped", 7));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    report("clock_settime", clock_settime(CLOCK_REALTIME, &now));
    report("init_module", syscall(SYS_init_module, "", 0, ""));
    report("finit_module", syscall(SYS_finit_module, 0, "", 0));
    report("delete_module", syscall(SYS_delete_module, "none", 0));
    report("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    report("syslog-clear", klogctl(5, NULL, 0));
    report("swapon", swapon("/nothing", 0));
    report("acct", acct(NULL));
#ifdef SYS_iopl
    report("iopl", syscall(SYS_iopl, 3));
    report("ioperm", syscall(SYS_ioperm, 0x80, 1, 1));
#endif
    struct sched_param param = {.sched_priority = 1};
    report("realtime", sched_setscheduler(0, SCHED_FIFO, &param));
    report("priority", setpriority(PRIO_PROCESS, 0, -20));
}

// Every file of /proc and /sys that is not of a process: none may be opened
// for writing. They are only opened.
static int looked_at;

static int try_to_write(const char *path, const struct stat *st, int kind,
                        struct FTW *at) {
    const char *name = path + at->base;
    if (at->level == 1 && kind == FTW_D &&
        (strspn(name, "0123456789") == strlen(name)))
        return FTW_SKIP_SUBTREE;
    // Root opens a file without any such bit, but nothing is behind it.
    if (kind != FTW_F || !S_ISREG(st->st_mode) || !(st->st_mode & 0222))
        return FTW_CONTINUE;
    looked_at++;
    if (open_for(path, O_WRONLY) == 0) printf("writable:%s DONE\n", path);
    return FTW_CONTINUE;
}

static void walk(const char *top, const char *name) {
    looked_at = 0;
    nftw(top, try_to_write, 16, FTW_PHYS | FTW_ACTIONRETVAL);
    printf("%s %s\n", name, looked_at > 10 ? "walked" : "NOT-WALKED");
}

// --- devices -----------------------------------------------------------------

static void make_node(const char *directory, mode_t kind, dev_t device) {
    char path[256], name[300];
    snprintf(path, sizeof path, "%s/escape-node", directory);
    snprintf(name, sizeof name, "mknod-%s:%s", S_ISBLK(kind) ? "block" : "char",
             directory);
    long made = mknod(path, kind | 0600, device);
    report(name, made);
    char sector[512];
    int fd = made < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, sector, sizeof sector) > 0)
        printf("read-of-host-disk:%s DONE\n", directory);
    if (made == 0) unlink(path);
}

static void devices(void) {
    static const char *const directories[] = {
        "/dev", "/tmp", "/dev/shm", "/run", "/root",
    };
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        make_node(directories[i], S_IFBLK, disk);
        make_node(directories[i], S_IFCHR, makedev(1, 1)); // /dev/mem
    }
    DIR *dev = opendir("/dev");
    for (struct dirent *entry; (entry = readdir(dev));) {
        struct stat st;
        if (fstatat(dirfd(dev), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISBLK(st.st_mode) && st.st_rdev == disk)
            printf("host-disk-in-dev DONE\n");
        if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))
            printf("device %s\n", entry->d_name);
    }
    closedir(dev);
}

// The image's own disk, told to stay attached when its last user is gone.
static void loop_device(void) {
    DIR *dev = opendir("/dev");
    for (struct dirent *entry; (entry = readdir(dev));) {
        struct stat st;
        struct loop_info64 info;
        int fd = openat(dirfd(dev), entry->d_name, O_RDWR | O_NONBLOCK);
        if (fd < 0) continue;
        if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) &&
            major(st.st_rdev) == 7) {
            report("loop-look", ioctl(fd, LOOP_GET_STATUS64, &info));
            info.lo_flags &= ~(unsigned)LO_FLAGS_AUTOCLEAR;
            report("loop-keep", ioctl(fd, LOOP_SET_STATUS64, &info));
            report("loop-clear", ioctl(fd, LOOP_CLR_FD));
            report("loop-change", ioctl(fd, LOOP_CHANGE_FD, fd));
        }
        close(fd);
    }
    closedir(dev);
    report("loop-control", open_for("/dev/loop-control", O_RDWR));
}

// --- mounts ------------------------------------------------------------------

static long new_tmpfs(void) {
    int fd = (int)syscall(SYS_fsopen, "tmpfs", 0);
    return fd;
}

static void mounts(void) {
    mkdir("/tmp/m", 0700);
    report("mount-devtmpfs", mount("dev", "/tmp/m", "devtmpfs", 0, NULL));
    report("mount-proc", mount("proc", "/tmp/m", "proc", 0, NULL));
    report("mount-sysfs", mount("sysfs", "/tmp/m", "sysfs", 0, NULL));
    report("mount-tmpfs", mount("tmpfs", "/tmp/m", "tmpfs", 0, NULL));
    report("mount-cgroup2", mount("none", "/tmp/m", "cgroup2", 0, NULL));
    report("mount-bind", mount("/", "/tmp/m", NULL, MS_BIND, NULL));
    report("mount-move", mount("/run", "/tmp/m", NULL, MS_MOVE, NULL));
    report("remount-sys", mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
    report("remount-proc-sys",
           mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
    report("remount-dev", // without nodev
           mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    report("make-shared", mount(NULL, "/", NULL, MS_SHARED, NULL));
    report("unmount-proc-sys", umount2("/proc/sys", MNT_DETACH));
    report("unmount-proc", umount2("/proc", MNT_DETACH));
    report("fsopen", new_tmpfs());
    report("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
    report("pivot_root", syscall(SYS_pivot_root, "/", "/tmp/m"));
    report("unshare-mounts", unshare(CLONE_NEWNS));
    report("unshare-pids", unshare(CLONE_NEWPID));
    report("unshare-net", unshare(CLONE_NEWNET));
    rmdir("/tmp/m");
}

static long user_namespace(void) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) return -1;
    write_to("/proc/self/setgroups", "deny");
    write_to("/proc/self/uid_map", "0 0 1");
    write_to("/proc/self/gid_map", "0 0 1");
    mkdir("/tmp/u", 0700);
    return mount("tmpfs", "/tmp/u", "tmpfs", 0, NULL);
}

static long unshare_user(void) { return unshare(CLONE_NEWUSER); }

static long clone_user(void) {
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    return pid;
}

static long clone3_user(void) {
    struct {
        unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal,
            stack, stack_size, tls;
    } args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) _exit(0);
    return pid;
}

// The classic: a root below the working directory, then up and up.
static long second_chroot(void) {
    mkdir("/tmp/jail", 0700);
    int top = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot("/tmp/jail") < 0) return -1;
    if (fchdir(top) < 0) return -1;
    for (int i = 0; i < 256; i++)
        if (chdir("..") < 0) return -1;
    if (chroot(".") < 0) return -1;
    return canary_seen();
}

static long handle_of_root(void) {
    int at = open("/", O_RDONLY | O_DIRECTORY);
    struct {
        struct file_handle handle;
        unsigned char bytes[128];
    } h = {.handle = {.handle_bytes = 128}};
    int mount_id;
    if (name_to_handle_at(at, "", &h.handle, &mount_id, AT_EMPTY_PATH) < 0)
        return -1;
    return open_by_handle_at(at, &h.handle, O_RDONLY);
}

// --- other processes ---------------------------------------------------------

static void init_of_the_guest(void) {
    static const char *const files[] = {
        "/proc/1/environ", "/proc/1/mem",     "/proc/1/maps",
        "/proc/1/auxv",    "/proc/1/ns/mnt",  "/proc/1/ns/pid",
        "/proc/1/ns/net",  "/proc/1/ns/user", "/proc/1/fd/0",
        "/proc/1/root/.",  "/proc/1/cwd/.",   "/proc/1/exe",
        "/proc/1/stack",   "/proc/1/syscall",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64];
        snprintf(name, sizeof name, "read:%s", files[i]);
        // Some refuse only when they are read; places are not read.
        int place = strstr(files[i], "/ns/") || strstr(files[i], "/.");
        report(name, place ? open_for(files[i], O_RDONLY)
                           : read_from(files[i]));
    }
    DIR *fds = opendir("/proc/1/fd");
    for (struct dirent *fd; fds && (fd = readdir(fds));) {
        char target[4096];
        if (fd->d_name[0] == '.') continue;
        report("readlink:/proc/1/fd/*",
               readlinkat(dirfd(fds), fd->d_name, target, sizeof target));
        report("open:/proc/1/fd/*", openat(dirfd(fds), fd->d_name, O_RDONLY));
    }
    // Names the files that the host was asked to work with.
    FILE *cmdline = fopen("/proc/1/cmdline", "r");
    int shown = 0;
    for (int c; cmdline && (c = fgetc(cmdline)) != EOF;)
        shown |= c != 0;
    errno = ENODATA;
    report("read:/proc/1/cmdline", shown ? 0 : -1);
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)&canary, 1};
    report("ptrace-attach", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
    report("ptrace-seize", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
    report("process_vm_readv", process_vm_readv(1, &here, 1, &there, 1, 0));
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    report("pidfd_getfd", syscall(SYS_pidfd_getfd, init, 0, 0));
    report("setns", setns(init, CLONE_NEWNS));
    report("kill-witness", kill(witness, 0));
}

static long more_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return 0;
    data[0].effective |= 1U << CAP_SYS_ADMIN;
    data[0].permitted |= 1U << CAP_SYS_ADMIN;
    return syscall(SYS_capset, &header, data);
}

// A program that brings the capability with it, as setcap(8) gives it.
static long capable_program(void) {
    char self[4096], copy[] = "/root/capable";
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0) return 0;
    self[len] = 0;
    char command[8300];
    snprintf(command, sizeof command, "cp %s %s", self, copy);
    if (system(command)) return 0;
    struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 |
                                             VFS_CAP_FLAGS_EFFECTIVE};
    data.data[0].permitted = 1U << CAP_SYS_ADMIN;
    if (setxattr(copy, "security.capability", &data, XATTR_CAPS_SZ_2, 0) < 0)
        return -1;
    execl(copy, copy, "mount", NULL);
    return -1;
}

static long add_a_key(void) {
    return syscall(SYS_add_key, "user", "escape", "x", 1,
                   KEY_SPEC_USER_KEYRING);
}

static long read_keyring(void) {
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0);
}

static long ask_for_key(void) {
    return syscall(SYS_request_key, "user", "escape", NULL, 0);
}

// --- the network -------------------------------------------------------------

static long reach_socket(int kind) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(socket_name);
    memcpy(address.sun_path + 1, socket_name, len);
    int fd = socket(AF_UNIX, kind | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&address,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len));
}

static void network(void) {
    report("abstract-stream", reach_socket(SOCK_STREAM));
    report("packet-socket", socket(AF_PACKET, SOCK_RAW, 0));
    report("raw-socket", socket(AF_INET, SOCK_RAW, 1));
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ioctl(fd, SIOCGIFFLAGS, &request);
    report("interface-flags", ioctl(fd, SIOCSIFFLAGS, &request));
}

static void terminals(void) {
    for (int fd = 0; fd < 3; fd++) {
        char name[32];
        snprintf(name, sizeof name, "tiocsti-%d", fd);
        report(name, ioctl(fd, TIOCSTI, "!"));
    }
    report("open-tty", open_for("/dev/tty", O_RDWR));
    report("open-console", open_for("/dev/console", O_RDWR));
}

static void inherited(void) {
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) printf("inherited-%d DONE\n", fd);
}

// Only where it reaches a few processes: else it would end the host.
static void kill_all(void) {
    int processes = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(proc));)
        if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name))
            processes++;
    closedir(proc);
    if (processes > 10) {
        printf("pid-namespace DONE\n");
        return;
    }
    printf("kill-all %d\n", kill(-1, SIGKILL)); // all but init and us
}

// As chattr +i, which busybox does not have.
static int make_immutable(char **files) {
    for (; *files; files++) {
        int fd = open(*files, O_RDONLY | O_CLOEXEC), flags = 0;
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return 1;
        flags |= FS_IMMUTABLE_FL;
        if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0) return 1;
        close(fd);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "mount")) {
        mkdir("/tmp/c", 0700);
        report("capable-program-mount", mount("t", "/tmp/c", "tmpfs", 0, NULL));
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "landlock")) {
        // The version of its interface; scopes came with 6.
        printf("%ld\n", syscall(SYS_landlock_create_ruleset, NULL, 0, 1));
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "terminal")) {
        terminals();
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "kill-all")) {
        kill_all();
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "immutable"))
        return make_immutable(argv + 2);
    unsigned major, minor;
    if (argc != 5 || sscanf(argv[2], "%u:%u", &major, &minor) != 2) return 2;
    canary = argv[1];
    disk = makedev(major, minor);
    socket_name = argv[3];
    witness = atoi(argv[4]);
    inherited();
    report("canary", canary_seen());
    switches();
    walk("/proc", "walk-proc");
    walk("/sys", "walk-sys");
    devices();
    loop_device();
    mounts();
    apart("user-namespace", user_namespace);
    apart("unshare-user", unshare_user);
    apart("clone-user", clone_user);
    apart("clone3-user", clone3_user);
    apart("second-chroot", second_chroot);
    apart("open_by_handle_at", handle_of_root);
    apart("capset", more_capabilities);
    apart("capable-program", capable_program);
    apart("add_key", add_a_key);
    apart("keyctl", read_keyring);
    apart("request_key", ask_for_key);
    init_of_the_guest();
    network();
    terminals();
    printf("end\n");
    return 0;
}

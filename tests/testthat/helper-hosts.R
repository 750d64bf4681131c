# Several machines in all but name: each host is a network namespace with a mount
# namespace, a /dev/shm and a name of its own, and all are joined by a bridge, which is
# in a namespace too. The master runs in host 0, see on_master().

skip_if_no_hosts <- function() {
  skip_on_cran()
  skip_if_not_linux()
  skip_if_not_root()
  skip_if_not_installed("parallel")
  for (tool in c("ip", "nsenter", "unshare"))
    skip_if_not(has_tool(tool), paste("no", tool))
  allowed <- once("hosts", {
    name <- sprintf("smprobe%d", Sys.getpid())
    made <- run_quietly("ip", c("netns", "add", name)) == 0
    if (made) run_quietly("ip", c("netns", "del", name))
    made && run_quietly("unshare", c("--mount", "--uts", "--net", "true")) == 0
  })
  skip_if_not(allowed, "no network namespaces allowed")
}

run_quietly <- function(command, arguments) {
  suppressWarnings(system2(command, arguments, stdout = FALSE, stderr = FALSE))
}

ip <- function(...) {
  arguments <- strsplit(sprintf(...), " ")[[1]]
  if (run_quietly("ip", arguments) != 0) stop("ip ", paste(arguments, collapse = " "))
}

# Hosts 0 to n. `address` and `pid` (of what keeps the host alive) begin with host 0,
# `rsh` is for makePSOCKcluster().
local_hosts <- function(n, size = "512m", frame = parent.frame()) {
  folder <- tempfile("hosts")
  dir.create(folder)
  name <- sprintf("sm%xh%d", Sys.getpid(), 0:n)
  bridge <- sprintf("sm%xb", Sys.getpid())
  hosts <- list(address = sprintf("10.77.0.%d", 10 + 0:n), name = name, folder = folder,
                rsh = file.path(folder, "rsh"), pid = integer())
  withr::defer(
    {
      tools::pskill(pids_in(name), tools::SIGKILL)
      for (each in c(name, bridge)) run_quietly("ip", c("netns", "del", each))
      unlink(folder, recursive = TRUE)
    },
    frame
  )
  ip("netns add %s", bridge)
  ip("-n %s link add name sw0 type bridge", bridge)
  ip("-n %s link set sw0 up", bridge)
  for (i in 0:n) hosts$pid[i + 1] <- start_host(hosts, i, bridge, size)
  write_rsh(hosts)
  hosts
}

start_host <- function(hosts, i, bridge, size) {
  name <- hosts$name[i + 1]
  ip("netns add %s", name)
  ip("link add v%d netns %s type veth peer name eth0 netns %s", i, bridge, name)
  ip("-n %s link set v%d master sw0", bridge, i)
  ip("-n %s link set v%d up", bridge, i)
  ip("-n %s addr add %s/24 dev eth0", name, hosts$address[i + 1])
  ip("-n %s link set eth0 up", name)
  ip("-n %s link set lo up", name)
  file <- file.path(hosts$folder, paste0("pid", i))
  script <- sprintf(
    "hostname %s; mount -t tmpfs -o size=%s,mode=1777 tmpfs /dev/shm;
     echo $$ > %s.new; mv %s.new %s; exec sleep 600",
    name, size, file, file, file
  )
  system2("ip", c("netns", "exec", name, "unshare", "--mount", "--uts",
                  "--propagation", "private", "sh", "-c", shQuote(script)),
          wait = FALSE, stdout = FALSE, stderr = FALSE)
  wait_for_file(file)
  as.integer(readLines(file))
}

# Called as rsh or ssh would be.
write_rsh <- function(hosts) {
  writeLines(c(
    "#!/bin/sh",
    "while [ \"${1#-}\" != \"$1\" ]; do shift 2; done",
    paste0("read pid < ", hosts$folder, "/pid$((${1##*.} - 10)); shift"),
    "exec nsenter -t $pid -m -u -n -- sh -c \"$*\""
  ), hosts$rsh)
  Sys.chmod(hosts$rsh, "700")
}

# An sshd on each host but 0, with keys of its own; to be called as ssh. The folder that
# it wants in /run is seen on that host alone.
start_sshd <- function(hosts) {
  at <- function(name) file.path(hosts$folder, name)
  for (key in c("host", "user"))
    run_quietly("ssh-keygen", c("-q", "-t", "ed25519", "-N", "''", "-f", at(key)))
  writeLines(c(
    "Port 2222", paste("HostKey", at("host")), "PidFile none", "UsePAM no",
    paste0("AuthorizedKeysFile ", at("user.pub")), "PermitRootLogin yes",
    "StrictModes no", "PasswordAuthentication no"
  ), at("sshd_config"))
  writeLines(c(
    "Port 2222", paste("IdentityFile", at("user")), "BatchMode yes", "LogLevel ERROR",
    "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null"
  ), at("ssh_config"))
  writeLines(c("#!/bin/sh", sprintf("exec ssh -F %s \"$@\"", at("ssh_config"))),
             at("ssh"))
  Sys.chmod(at("ssh"), "700")
  script <- sprintf(
    "mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && /usr/sbin/sshd -f %s",
    at("sshd_config")
  )
  started <- vapply(hosts$pid[-1], function(pid) {
    run_quietly("nsenter", c("-t", pid, "-m", "-u", "-n", "--", "sh", "-c",
                             shQuote(script)))
  }, 0L)
  if (any(started != 0)) skip("sshd does not start here")
  at("ssh")
}

pids_in <- function(name) {
  found <- suppressWarnings(lapply(name, function(each) {
    system2("ip", c("netns", "pids", each), stdout = TRUE, stderr = FALSE)
  }))
  as.integer(unlist(found))
}

# `fun(hosts, ...)` in R on a host. It sees nothing of the test's.
on_host <- function(hosts, i, fun, ..., namespace = this_namespace()) {
  run_through(
    "nsenter", c("-t", hosts$pid[i + 1], "-m", "-u", "-n", "--"), fun,
    list(hosts, ...), c(outer_environment(namespace), TMPDIR = tempdir())
  )
}

on_master <- function(hosts, fun, ...) on_host(hosts, 0, fun, tools_of_master, ...)

# What is left in the /dev/shm of a host.
objects_on <- function(hosts, i) {
  enter <- c("-t", hosts$pid[i + 1], "-m", "--")
  found <- system2("nsenter", c(enter, "ls", "-A", "/dev/shm"), stdout = TRUE)
  grep("^smem", found, value = TRUE)
}

expect_hosts_clean <- function(hosts, which) {
  clean <- function() length(unlist(lapply(which, objects_on, hosts = hosts))) == 0
  expect_true(eventually(clean), label = "the hosts have no shared memory left")
}

# For the functions that run on the master.
tools_of_master <- list(
  cluster = function(hosts, each, which = seq_along(hosts$address)[-1]) {
    where <- rep(hosts$address[which], each)
    cl <- parallel::makePSOCKcluster(where, rshcmd = hosts$rsh,
                                     master = hosts$address[1])
    parallel::clusterCall(cl, function(paths) .libPaths(paths), .libPaths())
    cl
  },
  # Bytes that have come in, by worker.
  traffic = function(cl) {
    unlist(parallel::clusterCall(cl, function() {
      line <- grep("eth0:", readLines("/proc/net/dev"), value = TRUE)
      as.numeric(strsplit(trimws(sub(".*:", "", line)), " +")[[1]][1])
    }))
  },
  # Bytes that this host has sent again: on a busy machine an answer comes late, and TCP
  # takes what it was for as lost. At most 1514 in each segment of this link.
  sent_again = function() {
    lines <- strsplit(grep("^Tcp:", readLines("/proc/net/snmp"), value = TRUE), " ")
    1514 * as.numeric(lines[[2]][match("RetransSegs", lines[[1]])])
  },
  # Bytes of memory, each page divided among those who have it.
  memory = function(cl) {
    unlist(parallel::clusterCall(cl, function() {
      gc()
      line <- grep("^Pss:", readLines("/proc/self/smaps_rollup"), value = TRUE)
      as.numeric(gsub("[^0-9]", "", line)) * 1024
    }))
  },
  segments = function(cl) {
    unlist(parallel::clusterCall(cl, function() {
      length(list.files("/dev/shm", "^smem[.]"))
    }))
  },
  # Send the signal once so many bytes more have come in at the worker's host.
  signal_during = function(cl, i, signal, pid, bytes) {
    script <- sprintf(
      "rx() { sed -n 's/.*eth0: *\\([0-9]*\\).*/\\1/p' /proc/net/dev; }
       end=$(($(rx) + %.0f)); while [ $(rx) -lt $end ]; do sleep 0.01; done
       kill -%s %d",
      bytes, signal, pid
    )
    parallel::clusterCall(cl[i], function(script) {
      system(paste0("(", script, ") >/dev/null 2>&1 &"))
    }, script)
  }
)

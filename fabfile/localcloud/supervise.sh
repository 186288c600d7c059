#!/bin/sh
# Keeps one machine running until it is powered off, dies, or is told to stop; a reboot boots it again.
# usage: supervise.sh MACHINE FOLDER HOSTNAME LOWER CACHE CGROUP_PROCS...
#
# It runs in a session and a mount namespace of its own: it outlives the daemon, and nothing stays mounted once it and
# the machine are gone. CGROUP_PROCS are the files that let systemd-nspawn into the machine's own cgroups; without
# them the processes of all machines would share one.
machine=$1 folder=$2 hostname=$3 lower=$4 cache=$5
shift 5

exec 9>"$folder/keeper.lock"
flock -n 9 || exit 0 # another one keeps it

set -e
root=$folder/root
# nspawn tries to remove what it finds here from former runs; ours is empty.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
# Device nodes are of use on a file system mounted with them only.
mount -t tmpfs -o mode=700,dev tmpfs "$folder/nodes"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$root"
# apt locks its archives: each host has its own, over those all have fetched.
mount -t overlay overlay -o "lowerdir=$cache/apt,upperdir=$folder/apt,workdir=$folder/apt-work" \
	"$root/var/cache/apt/archives"
set +e

# Writes the node of each attached volume, and what the machine shall call it.
show_volumes() {
	: >"$root/var/lib/attached-volumes"
	[ -e "$folder/volumes" ] || return 0
	while read -r node name id file; do
		loop=$(losetup --find --nooverlap --show "$file") || continue
		for each in "$node" "${loop#/dev/}"; do
			rm -f "$folder/nodes/$each"
			mknod -m 660 "$folder/nodes/$each" b 7 "${loop#/dev/loop}"
			chgrp 6 "$folder/nodes/$each" # Debian's group disk
		done
		echo "$node $name $id" >>"$root/var/lib/attached-volumes"
	done <"$folder/volumes"
}

while [ ! -e "$folder/stop" ]; do
	rm -f "$folder/nodes/"*
	show_volumes
	(
		for procs in "$@"; do echo 0 >"$procs" || exit 70; done
		set --
		for node in "$folder/nodes/"*; do
			[ -b "$node" ] && set -- "$@" "--bind=$node:/dev/${node##*/}"
		done
		# Debian's nspawn takes CAP_NET_ADMIN and /proc/sys/net from a machine in a given network namespace: firewalls
		# and sysctl need both. With CAP_MKNOD it could make the node of this machine's own disk.
		export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
		exec systemd-nspawn --quiet --settings=no --directory="$root" --boot --machine="$machine" \
			--hostname="$hostname" --register=no --keep-unit --network-namespace-path="/run/netns/$machine" \
			--capability=CAP_NET_ADMIN --drop-capability=CAP_MKNOD --resolv-conf=off --timezone=off \
			--link-journal=no --console=read-only --bind="$cache/apt:/var/cache/apt/shared" \
			--bind="$cache/pip:/var/cache/pip" "$@" </dev/null 9>&-
	)
	ended=$?
	[ "$ended" -eq 133 ] || exit "$ended" # 133: it asked for a reboot
done

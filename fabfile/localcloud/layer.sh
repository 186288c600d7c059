#!/bin/sh
# Installs packages over an image and leaves what that changed in UPPER: the layer.
# usage: layer.sh BASE UPPER WORK ROOT ARCHIVES "DISABLED UNITS" PACKAGE...
# Runs in a mount namespace of its own, so that nothing stays mounted, however it ends.
set -e
base=$1 upper=$2 work=$3 root=$4 archives=$5 disabled=$6
shift 6
mount -t overlay overlay -o "lowerdir=$base,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
for device in null zero full random urandom; do
	mount --bind "/dev/$device" "$root/dev/$device"
done
mount --bind "$archives" "$root/var/cache/apt/shared"
mount --bind "$archives" "$root/var/cache/apt/archives"
# Debian's packages start their services unless this says no.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# The resolver of the hosts answers hosts only.
cp /etc/resolv.conf "$root/run/resolv.conf"
mount --bind "$root/run/resolv.conf" "$root/etc/resolv.conf"

apt() { DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq -o APT::Sandbox::User=root "$@"; }
apt update || echo "going on with the lists of the image" >&2
apt -o DPkg::Options::=--force-unsafe-io -y install "$@" >&2
for unit in $disabled; do
	chroot "$root" systemctl disable "$unit" >&2
done
umount "$root/etc/resolv.conf"
rm -f "$root/usr/sbin/policy-rc.d" "$root/run/resolv.conf"
umount -R "$root"
rm -rf "$archives/partial" "$archives/lock" "${upper:?}/run" "${upper:?}/tmp"

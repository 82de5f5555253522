#!/bin/sh
# Turns mmdebstrap's root file system into an installed Debian node: what the
# installer would have asked (names, password, network, fstab) and the boot
# loader's configuration as Debian's own update-grub writes it.
#
# mmdebstrap runs this outside the chroot with the root directory as $1.
# RECIPE (the directory of this file), ROOT_UUID, ROOT_PARTUUID and ESP_UUID come from the image builder.
set -eu
root=$1

echo node >"$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\tnode\n::1\tlocalhost ip6-localhost\n' >"$root/etc/hosts"
printf 'root:orbit\n' | chroot "$root" chpasswd

# An empty machine-id is filled at every node's first start, without the rest
# of systemd's first boot work. Host keys must not be shared either.
: >"$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_*
cat >"$root/etc/systemd/system/ssh-host-key.service" <<'UNIT'
[Unit]
Description=Make this node's own SSH host key
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
UNIT
cat >"$root/etc/ssh/sshd_config.d/lab.conf" <<'CONF'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin yes
CONF

# The address comes by DHCP on whatever Ethernet port has a carrier.
cat >"$root/etc/systemd/network/20-ethernet.network" <<'CONF'
[Match]
Type=ether

[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac

[DHCPv6]
WithoutRA=no
CONF
rm -f "$root/etc/resolv.conf"
ln -s /run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"

# The serial console is a person's or a test's terminal: drivers that find
# nothing to drive must not write into it. dmesg has all.
echo 'kernel.printk = 3 4 1 3' >"$root/etc/sysctl.d/console.conf"

cat >"$root/etc/fstab" <<CONF
UUID=$ROOT_UUID / ext4 errors=remount-ro 0 1
UUID=$ESP_UUID /boot/efi vfat umask=0077,nofail 0 0
CONF
mkdir -p "$root/boot/efi"

systemctl --root="$root" -q enable systemd-networkd.service ssh-host-key.service serial-getty@ttyS0.service
# Timers and waits that only cost time on a node that lives for minutes.
systemctl --root="$root" -q mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
	fstrim.timer systemd-networkd-wait-online.service systemd-pstore.service getty-static.service

# An initramfs for local disks.
sed '/^#/d' "$RECIPE/initramfs-modules" >>"$root/etc/initramfs-tools/modules"
sed -i 's/^MODULES=.*/MODULES=list/' "$root/etc/initramfs-tools/initramfs.conf"
chroot "$root" update-initramfs -u

# update-grub, with grub-probe answering for the disk this tree will be on: the
# real one looks for a mounted device.
# no_timer_check, as other images for virtual machines have it: on a busy host
# an emulated CPU may miss so many timer ticks that the kernel's check of its
# timer panics.
cat >"$root/etc/default/grub" <<'CONF'
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 no_timer_check"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_OS_PROBER=true
CONF
mv "$root/usr/sbin/grub-probe" "$root/usr/sbin/grub-probe.real"
cat >"$root/usr/sbin/grub-probe" <<PROBE
#!/bin/sh
for word in "\$@"; do
	case \$word in
	--target=*) target=\${word#--target=} ;;
	esac
done
while [ \$# -gt 1 ]; do
	[ "\$1" = -t ] && target=\$2
	shift
done
case \$target in
device) echo /dev/sda3 ;;
fs_uuid) echo $ROOT_UUID ;;
fs) echo ext2 ;;
partmap) echo gpt ;;
partuuid) echo $ROOT_PARTUUID ;;
hints_string) echo "--hint-bios=hd0,gpt3 --hint-efi=hd0,gpt3 --hint-baremetal=ahci0,gpt3" ;;
compatibility_hint) echo hd0,gpt3 ;;
esac
PROBE
chmod 755 "$root/usr/sbin/grub-probe"
mkdir -p "$root/dev/disk/by-uuid" "$root/boot/grub"
: >"$root/dev/disk/by-uuid/$ROOT_UUID"
chroot "$root" grub-mkconfig -o /boot/grub/grub.cfg
rm -rf "$root/dev/disk"
mv "$root/usr/sbin/grub-probe.real" "$root/usr/sbin/grub-probe"
grep -q "root=UUID=$ROOT_UUID" "$root/boot/grub/grub.cfg"

# The boot loader, as grub-install leaves it in /boot/grub: modules beside the
# configuration, and the images that the builder puts outside this file system
# (boot.img and core.img for BIOS, core.efi for UEFI). They look for the third
# partition of the disk they were started from.
install_grub() { # platform, image, modules
	mkdir -p "$root/boot/grub/$1"
	cp "$root/usr/lib/grub/$1"/*.mod "$root/usr/lib/grub/$1"/*.lst "$root/boot/grub/$1/"
	chroot "$root" grub-mkimage -O "$1" -o "/boot/grub/$1/$2" -p '(,gpt3)/boot/grub' $3
}
install_grub i386-pc core.img "biosdisk part_gpt ext2"
install_grub x86_64-efi core.efi "part_gpt ext2 fat"
cp "$root/usr/lib/grub/i386-pc/boot.img" "$root/boot/grub/i386-pc/"
chroot "$root" grub-editenv /boot/grub/grubenv create

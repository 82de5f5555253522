#!/bin/sh
# Makes the ext4 root file system inside the disk image from the root's tar
# archive, without mounting anything. Runs as root or as the root of a user
# namespace, so that owners are right.
#   pack.sh TAR DISK OFFSET BLOCKS UUID WORK
set -eu
tar=$1 disk=$2 offset=$3 blocks=$4 uuid=$5 work=$6
mkdir "$work/root"
trap 'rm -rf "$work/root"' EXIT
tar --extract --numeric-owner --xattrs --xattrs-include='*' --file "$tar" --directory "$work/root"
# Tables are written now: a node should not spend its first minutes on it.
mke2fs -q -t ext4 -b 4096 -m 1 -J size=16 -U "$uuid" -L root \
	-E "offset=$offset,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0,nodiscard" \
	-d "$work/root" "$disk" "$blocks"

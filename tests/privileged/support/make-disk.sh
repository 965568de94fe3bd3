# SPDX-License-Identifier: Apache-2.0
#
# Makes a disk as a table tells: $1 the file, $2 its size in MiB, $3 bytes of a
# sector, $4 gpt, dos or none, $5 the raw disk whose root is copied, $6 where
# that root begins.
#
# Standard input has a line for each volume, parents before children:
#   NUMBER START SIZE TYPE FILESYSTEM UUID PATH [SUBVOLUME=PATH]...
# START and SIZE in MiB; a partition without a filesystem has `-` for the rest;
# `@=default` makes a btrfs subvolume the default one.
set -eu
disk=$1 size=$2 sector=$3 label=$4 source=$5 offset=$6
work=$(mktemp -d)
loops=
trap 'umount -R "$work/root" "$work/from" 2>/dev/null || :
    for l in $loops; do losetup -d "$l" 2>/dev/null || :; done
    rm -rf --one-file-system "$work"' EXIT
truncate -s "${size}M" "$disk"
cat >"$work/volumes"

unit=$((1048576 / sector))
if [ "$label" != none ]; then
    {
        printf 'label: %s\nunit: sectors\n' "$label"
        [ "$label" = dos ] && echo 'label-id: 0x1badb002'
        [ "$label" = gpt ] && echo 'label-id: 5E1F0B7A-94C2-4F6D-8A3E-2B7C9D1E0F77'
        # An extended partition before what is in it.
        sort -n "$work/volumes" | while read -r number start len type _; do
            printf '%s : start=%s, size=%s, type=%s\n' \
                "$number" $((start * unit)) $((len * unit)) "$type"
        done
    } >"$work/script"
    l=$(losetup --find --show --sector-size "$sector" "$disk")
    loops="$loops $l"
    sfdisk --quiet --no-reread --no-tell-kernel --wipe never "$l" <"$work/script"
fi

mkdir "$work/root" "$work/from"
# All of them before any is mounted: mkfs.btrfs takes a disk of which one loop
# device is mounted for mounted.
while read -r number start len type fs uuid path subvolumes <&3; do
    [ "$fs" = - ] && continue
    [ "$label" = none ] && start=0
    l=$(losetup --find --show --sector-size "$sector" \
        --offset $((start * 1048576)) --sizelimit $((len * 1048576)) "$disk")
    loops="$loops $l"
    case $fs in
        ext4) mkfs.ext4 -q -F -b 4096 -U "$uuid" -O '^orphan_file,^metadata_csum_seed' \
            -E lazy_itable_init=0,lazy_journal_init=0 "$l" ;;
        xfs) mkfs.xfs -q -f --unsupported -m "uuid=$uuid" "$l" 2>/dev/null ;;
        xfs4) mkfs.xfs -q -f --unsupported -m "crc=0,finobt=0,uuid=$uuid" "$l" 2>/dev/null ;;
        btrfs) mkfs.btrfs -q -f -U "$uuid" "$l" ;;
        vfat)
            [ "$sector" = 512 ] && small='' || small='-s 1'
            # shellcheck disable=SC2086
            mkfs.vfat -S "$sector" $small -i "$(echo "$uuid" | tr -d -)" "$l" >/dev/null
            ;;
    esac
    echo "$l" >"$work/device-$number"
done 3<"$work/volumes"

while read -r number start len type fs uuid path subvolumes <&3; do
    [ "$fs" = - ] && continue
    l=$(cat "$work/device-$number")
    case $fs in
        xfs4) continue ;; # not every kernel mounts it
        vfat)
            mkdir -p "$work/root$path" "$work/esp/EFI/BOOT"
            printf 'a boot loader\n' >"$work/esp/EFI/BOOT/BOOTX64.EFI"
            mcopy -s -i "$l" "$work/esp/EFI" ::
            continue
            ;;
    esac
    mount -t "$fs" -o "$([ "$fs" = xfs ] && echo nouuid || echo rw)" "$l" "$work/from"
    default='' at_root=''
    for pair in $subvolumes; do
        name=${pair%%=*} at=${pair#*=}
        if [ "$at" = default ]; then default=$name; continue; fi
        btrfs -q subvolume create "$work/from/$name"
        [ "$at" = "$path" ] && at_root=$name
    done
    if [ -n "$default" ]; then
        id=$(btrfs subvolume show "$work/from/$default" | awk '/Subvolume ID/ { print $3 }')
        btrfs subvolume set-default "$id" "$work/from"
    fi
    umount "$work/from"
    mkdir -p "$work/root$path"
    mount -t "$fs" -o "$([ "$fs" = xfs ] && echo nouuid || echo "${at_root:+subvol=$at_root}")" \
        "$l" "$work/root$path"
    for pair in $subvolumes; do
        name=${pair%%=*} at=${pair#*=}
        case $at in default | "$path") continue ;; esac
        mkdir -p "$work/root$at"
        mount -t btrfs -o "subvol=$name" "$l" "$work/root$at"
    done
done 3<"$work/volumes"

mount -t ext4 -o "ro,noload,loop,offset=$offset" "$source" "$work/from"
cp -a "$work/from/." "$work/root/"
umount "$work/from"

# What a copy by halves would lose.
cd "$work/root"
mkdir -p usr/share/odd var/lib/odd home/somebody
printf 'plain\n' >usr/share/odd/file
ln usr/share/odd/file usr/share/odd/link
ln -s ../nowhere usr/share/odd/dangling
mkfifo usr/share/odd/fifo
mknod usr/share/odd/null c 1 3
truncate -s 5M usr/share/odd/sparse
printf 'end' >>usr/share/odd/sparse
printf 'mine\n' >home/somebody/notes
head -c 300000 /dev/urandom >var/lib/odd/random
chown 1000:1000 home/somebody home/somebody/notes
chmod 4711 usr/share/odd/file
python3 - <<'END'
import os
os.setxattr("usr/share/odd/file", "user.note", b"kept\0bytes")
os.setxattr("usr/share/odd/file", "security.selinux", b"system_u:object_r:bin_t:s0\0")
os.setxattr("usr/share/odd/sparse", "security.capability",
            bytes.fromhex("0100000200040000000000000000000000000000"))
os.setxattr("home/somebody", "trusted.note", b"deep")
os.utime("usr/share/odd/file", ns=(1234567890123456789, 1234567890987654321))
END
# fstab
while read -r number start len type fs uuid path subvolumes; do
    case $fs in - | xfs4) continue ;; esac
    [ "$fs" = vfat ] && kept=vfat || kept=$fs
    at_root=''
    for pair in $subvolumes; do
        [ "${pair#*=}" = "$path" ] && at_root=${pair%%=*}
    done
    default=$(echo " $subvolumes" | sed -n 's/.* \([^ =]*\)=default.*/\1/p')
    [ -n "$default" ] && [ "$default" = "$at_root" ] && at_root=''
    echo "UUID=$uuid $path $kept ${at_root:+subvol=$at_root,}defaults 0 0"
    for pair in $subvolumes; do
        case ${pair#*=} in default | "$path") continue ;; esac
        echo "UUID=$uuid ${pair#*=} btrfs subvol=${pair%%=*} 0 0"
    done
done <"$work/volumes" >etc/fstab
cd /
! mountpoint -q "$work/root" || umount -R "$work/root"

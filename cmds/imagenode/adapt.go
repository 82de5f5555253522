package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/adapt"
	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// adaptFlags adds the flags that say how the system is fitted to its disk and
// machine. Files are read at once: they must be good before a disk is touched.
func (o *order) adaptFlags(f *flag.FlagSet) {
	f.StringVar(&o.adapt.Grow, "grow", "", "afterwards, grow `WHICH` partition and its filesystem to the end of the disk: last, its number, name or label")
	f.StringVar(&o.adapt.Hostname, "hostname", "", "afterwards, call the system `NAME`")
	f.BoolVar(&o.adapt.MachineID, "new-machine-id", false, "afterwards, give the system a machine-id of its own")
	f.BoolVar(&o.adapt.SSHHostKeys, "remove-ssh-host-keys", false, "afterwards, remove its ssh host keys")
	f.Func("authorized-keys", "afterwards, let the ssh keys in `FILE[:USER]` in as USER, or root (again for others)", o.readKeys)
	f.Func("nocloud", "afterwards, give cloud-init the user-data, meta-data and network-config in `DIR`", o.readSeed)
	f.Func("files", "afterwards, unpack a tar `ARCHIVE`, compressed or not", o.openArchive)
}

func (o *order) readKeys(s string) error {
	file, user := s, ""
	if _, err := os.Stat(s); errors.Is(err, fs.ErrNotExist) {
		if i := strings.LastIndexByte(s, ':'); i > 0 {
			file, user = s[:i], s[i+1:]
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	keys, err := adapt.ParseKeys(user, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	o.adapt.AuthorizedKeys = append(o.adapt.AuthorizedKeys, keys...)
	return nil
}

func (o *order) readSeed(dir string) error {
	seed := &adapt.Seed{}
	found := false
	for name, to := range map[string]*[]byte{"user-data": &seed.UserData, "meta-data": &seed.MetaData, "network-config": &seed.NetworkConfig} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		found, *to = true, b
	}
	if !found {
		return fmt.Errorf("%s has neither user-data nor meta-data nor network-config", dir)
	}
	o.adapt.NoCloud = seed
	return nil
}

func (o *order) openArchive(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	o.adapt.Archive = f // open until the process ends
	return nil
}

// fits tells whether what is to be done afterwards can be, as far as can be
// known before the disk is touched.
func (o *order) fits(ctx context.Context, table *partition.Table, disk string, file bool) error {
	if file {
		return fmt.Errorf("%s is a regular file: the kernel fits a system to its disk only on a block device (attach it with losetup -P)", disk)
	}
	return o.adapt.Check(ctx, table)
}

// fit fits the system that was written to its disk and machine.
func (o *order) fit(ctx context.Context, disk string) error {
	begun := time.Now()
	tell := func(state api.State, message string) {
		o.Events(api.Event{Time: time.Now(), Step: api.Adapt, State: state, Message: message, Seconds: time.Since(begun).Seconds()})
	}
	tell(api.Started, "")
	o.adapt.Disk, o.adapt.Log = disk, o.Log
	o.adapt.Note = func(s string) { tell(api.Note, s) }
	if err := adapt.Apply(ctx, o.adapt); err != nil {
		tell(api.Failed, err.Error())
		return err
	}
	tell(api.Done, "")
	return nil
}

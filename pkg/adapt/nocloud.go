package adapt

import (
	"bytes"
	"fmt"
)

// seedDir is where cloud-init looks for the data of its NoCloud source.
const seedDir = "var/lib/cloud/seed/nocloud"

// Seed is what cloud-init is to do at the first boot.
type Seed struct {
	UserData      []byte // nil is an empty one
	MetaData      []byte // nil is one with a new instance-id, and the hostname if that is set
	NetworkConfig []byte // nil is none
}

// check refuses what cloud-init would not take.
func (s *Seed) check() error {
	if n := len(s.UserData) + len(s.MetaData) + len(s.NetworkConfig); n > maxFile {
		return fmt.Errorf("nocloud seed: %d bytes, at most %d MiB make sense", n, maxFile>>20)
	}
	if s.MetaData != nil && !bytes.Contains(s.MetaData, []byte("instance-id")) {
		return fmt.Errorf("nocloud seed: meta-data names no instance-id, cloud-init wants one")
	}
	return nil
}

// writeSeed writes all three files, and removes a network-config that would be
// another machine's. User data may hold passwords: only root can read it.
func writeSeed(t *tree, s *Seed, hostname string, note func(string)) error {
	if !hasCloudInit(t) {
		note("there is no cloud-init in the system to read the NoCloud seed")
	}
	meta := s.MetaData
	if meta == nil {
		meta = []byte("instance-id: orbit-" + newMachineID() + "\n")
		if hostname != "" {
			meta = append(meta, "local-hostname: "+hostname+"\n"...)
		}
	}
	if err := t.mkdir(seedDir, attr{mode: 0o755}); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
		mode attr
	}{{"meta-data", meta, attr{mode: 0o644}}, {"user-data", s.UserData, attr{mode: 0o600}}, {"network-config", s.NetworkConfig, attr{mode: 0o600}}} {
		name := seedDir + "/" + f.name
		if f.data == nil && f.name == "network-config" {
			if err := t.remove(name); err != nil {
				return err
			}
			continue
		}
		if err := t.write(name, bytes.NewReader(f.data), f.mode); err != nil {
			return err
		}
	}
	return nil
}

func hasCloudInit(t *tree) bool { return t.exists("etc/cloud") || t.exists("usr/bin/cloud-init") }

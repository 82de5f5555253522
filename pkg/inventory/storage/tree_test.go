package storage

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// tree writes files below a new root; a value that begins with "-> " is a
// symbolic link, one that ends with a slash is a directory's name.
func tree(t testing.TB, files map[string]string) sysfs.Host {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(to, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return sysfs.Host{Root: root}
}

// machine is the sysfs of one machine in the making.
type machine map[string]string

// disk adds a disk of so many sectors of 512 bytes, and files in its directory.
func (m machine) disk(name, device, sectors string, files map[string]string) {
	dir := "sys/devices/" + device + "/" + name
	switch {
	case !strings.HasPrefix(name, "nvme"):
		dir = "sys/devices/" + device + "/block/" + name
		m[dir+"/device"] = "-> ../../../" + filepath.Base(device)
	case strings.Contains(device, "nvme-subsystem"):
		m[dir+"/device"] = "-> ../../" + filepath.Base(device)
	default:
		m[dir+"/device"] = "-> ../../" + filepath.Base(device)
	}
	m["sys/block/"+name] = "-> ../../" + dir
	for k, v := range map[string]string{"size": sectors, "removable": "0", "ro": "0", "queue/logical_block_size": "512", "queue/physical_block_size": "4096", "queue/rotational": "0"} {
		m[dir+"/"+k] = v + "\n"
	}
	for k, v := range files {
		if rest, ok := strings.CutPrefix(k, "device/"); ok {
			m["sys/devices/"+device+"/"+rest] = v
		} else {
			m[dir+"/"+k] = v
		}
	}
}

// driver binds a device.
func (m machine) driver(device, driver string) {
	m["sys/devices/"+device+"/driver"] = "-> /sys/bus/x/drivers/" + driver
}

// page is a page of vital product data.
func page(code byte, content string) string {
	b := []byte{0, code, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(len(content)))
	return string(b) + content
}

// identity is IDENTIFY DEVICE data with these words.
func identity(model, serial, firmware string, words map[int]uint16) []byte {
	b := make([]byte, 512)
	put := func(word, words int, s string) {
		for i := range 2 * words {
			c := byte(' ')
			if i < len(s) {
				c = s[i]
			}
			b[2*word+i^1] = c
		}
	}
	put(10, 10, serial)
	put(23, 4, firmware)
	put(27, 20, model)
	for word, v := range words {
		binary.LittleEndian.PutUint16(b[2*word:], v)
	}
	seal(b, 0xa5)
	return b
}

// seal ends 512 bytes with a mark and the checksum.
func seal(b []byte, mark byte) {
	b[510] = mark
	var sum byte
	for _, c := range b[:511] {
		sum += c
	}
	b[511] = -sum
}

// page89 is the page of vital product data that holds an identity.
func page89(id []byte) string {
	b := make([]byte, 56)
	b[52] = 0xec
	return page(0x89, string(b)+string(id))
}

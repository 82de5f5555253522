package storage

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/ata"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/scsi"
)

// script is a disk that answers what it is told to, and refuses the rest. It
// keeps what it was asked.
type script struct {
	answers map[string][]byte // by command in hexadecimal digits
	sense   map[string]string // for commands without data
	content []byte

	mu    sync.Mutex
	asked []string
}

func (s *script) Close() error { return nil }

func (s *script) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

func (s *script) ReadAt(b []byte, off int64) (int, error) {
	s.note("read")
	if off >= int64(len(s.content)) {
		return 0, io.EOF
	}
	n := copy(b, s.content[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (s *script) admin(opcode byte, namespace, dword10, dword11 uint32, data []byte) error {
	what := fmt.Sprintf("%02x %x", opcode, dword10)
	s.note(what)
	b, ok := s.answers[what]
	if !ok {
		return errors.New("NVMe status 002h")
	}
	copy(data, b)
	return nil
}

func (s *script) scsi(command, data []byte) (int, []byte, error) {
	what := hex.EncodeToString(command)
	s.note(what)
	if sense, ok := s.sense[what]; ok {
		b, _ := hex.DecodeString(sense)
		return 0, b, nil
	}
	b, ok := s.answers[what]
	if !ok {
		return 0, nil, scsi.Sense{Key: scsi.IllegalRequest, ASC: 0x20}
	}
	return copy(data, b), nil, nil
}

func cdb(b []byte) string { return hex.EncodeToString(b) }

func (s *script) ata(c ata.Command, answer []byte) { s.answers[cdb(c.CDB())] = answer }

// registers has a command without data answered by count, middle and high
// register.
func (s *script) registers(c ata.Command, count, mid, high byte) {
	s.sense[cdb(c.CDB())] = fmt.Sprintf("7201001d0000000e090c000000%02x000000%02x00%02x0050", count, mid, high)
}

func newScript() *script { return &script{answers: map[string][]byte{}, sense: map[string]string{}} }

// attribute is one in SMART data.
type attribute struct {
	id, value, threshold byte
	raw                  uint32
}

// smart makes SMART data and thresholds.
func smart(list ...attribute) (data, limits []byte) {
	data, limits = make([]byte, 512), make([]byte, 512)
	for i, a := range list {
		d := data[2+12*i:]
		d[0], d[1], d[3], d[4] = a.id, 1, a.value, a.value
		binary.LittleEndian.PutUint32(d[5:], a.raw)
		limits[2+12*i], limits[3+12*i] = a.id, a.threshold
	}
	seal(data, 0)
	seal(limits, 0)
	return data, limits
}

// file reads what a decoder's tests have recorded.
func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func logPageOf(page byte, parameters ...any) []byte {
	b := []byte{page, 0, 0, 0}
	for i := 0; i < len(parameters); i += 2 {
		data := parameters[i+1].(string)
		b = binary.BigEndian.AppendUint16(b, uint16(parameters[i].(int)))
		b = append(append(b, 3, byte(len(data))), data...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-4))
	return b
}

// run asks the disks of a machine, each by its script.
func run(t *testing.T, m machine, scripts map[string]device) ([]hardware.Disk, error) {
	t.Helper()
	c := collector{tree(t, m), func(path string) (device, error) {
		s, ok := scripts[filepath.Base(path)]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return s, nil
	}}
	return c.disks(context.Background())
}

func only(t *testing.T, disks []hardware.Disk, name string) hardware.Disk {
	t.Helper()
	for _, d := range disks {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no disk %s in %v", name, disks)
	return hardware.Disk{}
}

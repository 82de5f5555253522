// Package nvme reads what NVMe disks answer: Identify Controller and the SMART
// / Health Information log page, as in the NVM Express Base Specification 2.0.
package nvme

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Opcodes of admin commands that only read.
const (
	GetLogPage      = 0x02
	Identify        = 0x06
	SecurityReceive = 0x82
)

// Sizes of the answers, bytes.
const (
	ControllerSize = 4096
	NamespaceSize  = 4096
	LogSize        = 512
)

// AllNamespaces is the namespace ID for what concerns the whole controller.
const AllNamespaces = 0xffffffff

// HealthLog is command dword 10 of GetLogPage for the health log: its page, and
// the number of dwords less one.
const HealthLog = 0x02 | (LogSize/4-1)<<16

// Command dword 10 of Identify.
const (
	IdentifyNamespace  = 0x00
	IdentifyController = 0x01
)

// ReceiveProtocol is command dword 10 of SecurityReceive; dword 11 is the size
// in bytes.
func ReceiveProtocol(protocol byte, specific uint16) uint32 {
	return uint32(protocol)<<24 | uint32(specific)<<8
}

// Controller is what one says of itself.
type Controller struct {
	Serial, Model, Firmware string

	Security bool // it takes security commands
}

var errShort = errors.New("answer is too short")

// ParseController reads the 4096 bytes of Identify Controller.
func ParseController(b []byte) (Controller, error) {
	if len(b) < ControllerSize {
		return Controller{}, fmt.Errorf("read NVMe controller: %w", errShort)
	}
	c := Controller{
		Serial: text(b[4:24]), Model: text(b[24:64]), Firmware: text(b[64:72]),
		Security: binary.LittleEndian.Uint16(b[256:])&1 != 0,
	}
	if c.Model == "" && c.Serial == "" {
		return Controller{}, errors.New("read NVMe controller: it has no name")
	}
	return c, nil
}

// ParseNamespace reads of the 4096 bytes of Identify Namespace what names it:
// "nguid." or "eui." and hexadecimal digits, "" if nothing does.
func ParseNamespace(b []byte) (string, error) {
	if len(b) < NamespaceSize {
		return "", fmt.Errorf("read NVMe namespace: %w", errShort)
	}
	for _, name := range []struct {
		kind string
		id   []byte
	}{{"nguid.", b[104:120]}, {"eui.", b[120:128]}} {
		if strings.Trim(string(name.id), "\x00") != "" {
			return name.kind + hex.EncodeToString(name.id), nil
		}
	}
	return "", nil
}

func text(b []byte) string {
	return strings.Join(strings.FieldsFunc(string(b), func(r rune) bool { return r <= ' ' || r >= 0x7f }), " ")
}

// Health is the SMART / health information log.
type Health struct {
	Warning      byte  // bits
	Temperature  int   // degrees Celsius; meaningless if not HasTemperature
	Spare        int   // percent left
	Threshold    int   // of Spare, where it warns
	Used         int   // percent of its life, up to 255
	Read         int64 // bytes
	Written      int64 // bytes
	PowerCycles  int64
	PowerOnHours int64
	UnsafeStops  int64
	MediaErrors  int64

	HasTemperature bool
}

// ParseHealth reads the 512 bytes of the log.
func ParseHealth(b []byte) (Health, error) {
	if len(b) < LogSize {
		return Health{}, fmt.Errorf("read NVMe health log: %w", errShort)
	}
	h := Health{
		Warning: b[0], Spare: int(b[3]), Threshold: int(b[4]), Used: int(b[5]),
		Read: thousands(b[32:]), Written: thousands(b[48:]),
		PowerCycles: count(b[112:]), PowerOnHours: count(b[128:]), UnsafeStops: count(b[144:]), MediaErrors: count(b[160:]),
	}
	if kelvin := int(binary.LittleEndian.Uint16(b[1:])); kelvin > 0 {
		h.Temperature, h.HasTemperature = kelvin-273, true
	}
	return h, nil
}

// count is a number of 16 bytes; more than fits is the most that fits.
func count(b []byte) int64 {
	low, high := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}

// thousands is a number of data units, thousands of 512 bytes, in bytes.
func thousands(b []byte) int64 {
	const unit = 1000 * 512
	if n := count(b); n <= math.MaxInt64/unit {
		return n * unit
	}
	return math.MaxInt64
}

// warnings are the bits of Health.Warning in words.
var warnings = [...]string{
	"spare blocks below the threshold", "temperature out of range", "reliability degraded", "read-only",
	"backup of volatile memory failed", "persistent memory region read-only or unreliable",
}

// Warnings are in words; those that no standard names are left out.
func (h Health) Warnings() (list []string) {
	for i, w := range warnings {
		if h.Warning&(1<<i) != 0 {
			list = append(list, w)
		}
	}
	return list
}

package ata

import "encoding/binary"

// Command is an ATA command that reads or only asks.
type Command struct {
	Command  byte
	Features byte
	Count    uint16
	LBA      uint64 // 48 bits
	Extended bool   // of 48 bits
	Pages    int    // of 512 bytes to read; 0: the answer is in the registers
}

// The commands that are asked here.
func IdentifyDevice() Command { return Command{Command: 0xec, Count: 1, Pages: 1} }
func CheckPowerMode() Command { return Command{Command: 0xe5} }
func ReadData() Command       { return smart(0xd0, 1) }
func ReadThresholds() Command { return smart(0xd1, 1) }
func ReturnStatus() Command   { return smart(0xda, 0) }
func smart(f byte, n int) Command {
	return Command{Command: 0xb0, Features: f, Count: uint16(n), LBA: 0xc24f00, Pages: n}
}

// ReadLog is READ LOG EXT of the first pages of a log.
func ReadLog(log byte, pages int) Command {
	return Command{Command: 0x2f, Count: uint16(pages), LBA: uint64(log), Extended: true, Pages: pages}
}

// CDB wraps the command for SCSI: ATA PASS-THROUGH (16), SAT-4 12.2.2. The
// registers come back in the sense data when there is no data.
func (c Command) CDB() []byte {
	const nonData, pioIn, extended = 3 << 1, 4 << 1, 1
	const readRegisters, fromDevice, blocks, countedByCount = 1 << 5, 1 << 3, 1 << 2, 2
	b := make([]byte, 16)
	b[0], b[1], b[2] = 0x85, nonData, readRegisters
	if c.Pages > 0 {
		b[1], b[2] = pioIn, fromDevice|blocks|countedByCount
	}
	if c.Extended {
		b[1] |= extended
	}
	b[4] = c.Features
	binary.BigEndian.PutUint16(b[5:], c.Count)
	b[7], b[8] = byte(c.LBA>>24), byte(c.LBA)
	b[9], b[10] = byte(c.LBA>>32), byte(c.LBA>>8)
	b[11], b[12] = byte(c.LBA>>40), byte(c.LBA>>16)
	b[14] = c.Command
	return b
}

// Registers is the answer to a command without data.
type Registers struct {
	Error, Status, Device byte
	Count                 byte
	Mid, High             byte // of the LBA
}

// ParseRegisters finds the registers in sense data: the ATA status return
// descriptor (SAT-4, 12.2.7), or the fields of the fixed format.
func ParseRegisters(sense []byte) (Registers, bool) {
	if len(sense) < 8 {
		return Registers{}, false
	}
	switch sense[0] & 0x7f {
	case 0x72, 0x73:
		end := min(8+int(sense[7]), len(sense))
		for d := sense[8:end]; len(d) >= 2; {
			n := 2 + int(d[1])
			if n > len(d) {
				break
			}
			if d[0] == 0x09 && n >= 14 {
				return Registers{Error: d[3], Count: d[5], Mid: d[9], High: d[11], Device: d[12], Status: d[13]}, true
			}
			d = d[n:]
		}
	case 0x70, 0x71:
		const passThroughInformation = 0x1d // additional sense code 00h
		if len(sense) < 14 || sense[12] != 0 || sense[13] != passThroughInformation {
			return Registers{}, false
		}
		return Registers{Error: sense[3], Status: sense[4], Device: sense[5], Count: sense[6], Mid: sense[10], High: sense[11]}, true
	}
	return Registers{}, false
}

// Asleep tells from the answer to CHECK POWER MODE whether the disk would have
// to spin up for the next question.
func (r Registers) Asleep() bool {
	return r.Count == 0x00 || r.Count == 0x01 || r.Count == 0x40 // standby, standby_y, and NV cache spun down
}

// Healthy tells from the answer to SMART RETURN STATUS whether the disk has
// passed any of its thresholds; ok is false where that is no answer.
func (r Registers) Healthy() (healthy, ok bool) {
	switch {
	case r.Mid == 0x4f && r.High == 0xc2:
		return true, true
	case r.Mid == 0xf4 && r.High == 0x2c:
		return false, true
	}
	return false, false
}

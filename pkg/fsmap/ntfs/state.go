package ntfs

import (
	"encoding/binary"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

const volumeDirty = 0x0001

// state reads the file $Volume: the volume's label, and whether chkdsk is to
// be run on it.
func (v *volume) state() (label string, err error) {
	le := binary.LittleEndian
	info, err := v.attr(recVolume, typeVolumeInfo, "")
	if err != nil {
		return "", err
	}
	if info == nil || len(info.value) < 12 {
		return "", fsmap.Unsafef(kind, "volume has no version")
	}
	switch version := [2]byte(info.value[8:10]); version {
	case [2]byte{1, 2}, [2]byte{3, 0}, [2]byte{3, 1}:
	default:
		return "", fsmap.Unsafef(kind, "version %d.%d", version[0], version[1])
	}
	if le.Uint16(info.value[10:])&volumeDirty != 0 {
		return "", fsmap.Unsafef(kind, "volume is dirty: run chkdsk")
	}
	name, err := v.attr(recVolume, typeVolumeName, "")
	if err == nil && name != nil {
		label = cluster.UTF16(name.value)
	}
	return label, err
}

// restart is what a restart page of the journal says.
type restart struct {
	lsn   uint64 // the larger the newer
	clean bool
	major uint16
}

// logPage is the size of the pages that Windows has on all machines it runs on
// today. There are two restart pages, written in turns.
const logPage = 4096

// journal reads the restart pages of $LogFile. Other systems than Windows fill
// it with ones, as nothing is in it that Windows should do.
func (v *volume) journal() error {
	s, err := v.system(recLogFile, typeData, "")
	if err != nil {
		return err
	}
	var newest *restart
	empty := 0
	b := make([]byte, logPage)
	for i := range int64(2) {
		if err := v.read(s, b, i*logPage, "$LogFile"); err != nil {
			return err
		}
		if binary.LittleEndian.Uint32(b) == 0xffffffff {
			empty++
		} else if r := parseRestart(b); r != nil && (newest == nil || r.lsn > newest.lsn) {
			newest = r
		}
	}
	switch {
	case empty == 2:
		return nil
	case newest == nil:
		return fsmap.Unsafef(kind, "journal has no restart page: run chkdsk")
	case newest.major > 1:
		return fsmap.Unsafef(kind, "Windows has the volume in use, or was shut down for a fast start: shut it down for good")
	case !newest.clean:
		return fsmap.Unsafef(kind, "journal is to be replayed: start Windows and shut it down")
	}
	return nil
}

// parseRestart takes a restart page apart, nil where it is none.
func parseRestart(b []byte) *restart {
	le := binary.LittleEndian
	if magic := string(b[:4]); magic != "RSTR" && magic != "CHKD" || !fixup(b) || le.Uint32(b[16:]) != logPage {
		return nil
	}
	off := int(le.Uint16(b[24:]))
	if off < 30 || off+16 > len(b) {
		return nil
	}
	const noClient, volumeClean = 0xffff, 0x0002
	area := b[off:]
	return &restart{
		lsn:   le.Uint64(area),
		clean: le.Uint16(area[12:]) == noClient || le.Uint16(area[14:])&volumeClean != 0,
		major: le.Uint16(b[28:]),
	}
}

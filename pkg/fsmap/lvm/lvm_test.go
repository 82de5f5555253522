package lvm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/lvm/lvmtest"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

const mib = 1 << 20

// read reads a file that LVM's tools are done with.
func read(t *testing.T, file string) *Volume {
	t.Helper()
	f, size := maptest.Open(t, file)
	v, err := Read(f, size)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// compare holds what we read of a physical volume against pvs and lvs.
func compare(t *testing.T, l *lvmtest.Tools, device string, v *Volume) {
	t.Helper()
	pv := l.Report("pvs", "-o", "pv_uuid,pe_start,pv_pe_count,vg_name,vg_uuid,vg_seqno,vg_extent_size,pv_count,dev_size", device)[0]
	want := map[string]string{
		"pv_uuid": v.UUID, "vg_name": v.VG, "vg_uuid": v.VGUUID, "dev_size": fmt.Sprint(v.Size),
		"pe_start": fmt.Sprint(v.Start), "pv_pe_count": fmt.Sprint(v.Extents), "vg_seqno": fmt.Sprint(v.Seqno),
		"vg_extent_size": fmt.Sprint(v.Extent), "pv_count": fmt.Sprint(v.Volumes),
	}
	if diff := cmp.Diff(pv, want); diff != "" {
		t.Errorf("pvs has it otherwise (-pvs +read):\n%s", diff)
	}
	lvs := map[string]string{}
	for _, row := range l.Report("lvs", "-a", "-o", "lv_name,lv_uuid,lv_size", v.VG) {
		lvs[strings.Trim(row["lv_name"], "[]")] = row["lv_uuid"] + " " + row["lv_size"]
	}
	got := map[string]string{}
	for _, lv := range v.LVs {
		if slices.Contains(lv.Types, "snapshot") {
			continue // lvs shows the snapshot's store in its place
		}
		got[lv.Name] = fmt.Sprintf("%s %d", lv.UUID, lv.Size)
	}
	if diff := cmp.Diff(lvs, got); diff != "" {
		t.Errorf("lvs has it otherwise (-lvs +read):\n%s", diff)
	}
	var used extent.Set
	for _, row := range l.Report("pvs", "--segments", "-o", "pvseg_start,pvseg_size,lv_name", device) {
		if row["lv_name"] != "" {
			off := v.Start + number(t, row["pvseg_start"])*v.Extent
			used.Add(extent.Range{Off: off, End: off + number(t, row["pvseg_size"])*v.Extent})
		}
	}
	var all extent.Set
	for i := range v.LVs {
		all = all.Union(v.LVs[i].Allocated())
	}
	maptest.Superset(t, all, used, true)
	maptest.Superset(t, v.Used(), used, false)
}

func TestRealGroups(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []string
		size    int64
	}{
		{"plain", nil, 128 * mib},
		{"metadata at both ends", []string{"--pvmetadatacopies", "2"}, 128*mib + 512},
		{"small extents, boot area", []string{"--dataalignment", "64k", "--bootloaderareasize", "1m", "--metadatasize", "20k"}, 100 * mib},
		{"label in the last sector", []string{"--labelsector", "3"}, 100 * mib},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := maptest.File(t, test.size)
			l := lvmtest.New(t, lvmtest.Slice{File: file})
			dev := l.Device[0]
			l.Group("vg", test.options...)
			l.Volume("vg", "root", 4)
			l.Volume("vg", "gone", 3)
			l.Volume("vg", "data", 2)
			l.Run("lvextend", "-q", "-l", "+3", "vg/root")
			l.Run("lvremove", "-q", "-f", "vg/gone")
			l.Volume("vg", "two", 4, dev+":14-15", dev+":20-21")
			for i := range 8 { // enough for a small ring to wrap around
				l.Run("vgchange", "-q", "--addtag", fmt.Sprint("a.tag.number.", i), "vg")
			}
			v := read(t, file)
			compare(t, l, dev, v)
			for _, lv := range v.LVs {
				if !lv.Linear {
					t.Errorf("%s is not taken for linear", lv.Name)
				}
			}
			if pieces := v.LVs[0].Pieces; len(pieces) != 2 {
				t.Errorf("root lies in %v, want two pieces", pieces)
			}
			if test.name == "plain" && v.Used().Len() != mib+13*4*mib {
				t.Errorf("%d bytes used: %v", v.Used().Len(), v.Used().Ranges())
			}
		})
	}
}

func TestNoGroup(t *testing.T) {
	file := maptest.File(t, 64*mib)
	l := lvmtest.New(t, lvmtest.Slice{File: file})
	l.Run("pvcreate", "-q", l.Device[0])
	v := read(t, file)
	want := extent.NewSet(extent.Range{Off: 0, End: mib})
	if v.VG != "" || !v.Used().Equal(want) {
		t.Errorf("group %q, used %v", v.VG, v.Used().Ranges())
	}
}

func TestGroupOfTwo(t *testing.T) {
	files := []string{maptest.File(t, 64*mib), maptest.File(t, 96*mib)}
	l := lvmtest.New(t, lvmtest.Slice{File: files[0]}, lvmtest.Slice{File: files[1]})
	l.Group("vg")
	l.Volume("vg", "here", 3, l.Device[0])
	l.Volume("vg", "there", 5, l.Device[1])
	l.Volume("vg", "both", 15, l.Device[0]+":5-14", l.Device[1]+":0-9")
	l.Run("lvcreate", "-q", "-an", "-Zn", "-Wn", "-i2", "-l", "4", "-n", "striped", "vg")
	linear := [][]string{{"here"}, {"there"}}
	for i, file := range files {
		v := read(t, file)
		compare(t, l, l.Device[i], v)
		var got []string
		for _, lv := range v.LVs {
			if lv.Linear {
				got = append(got, lv.Name)
			}
		}
		if diff := cmp.Diff(linear[i], got); diff != "" {
			t.Errorf("linear on device %d (-want +got):\n%s", i, diff)
		}
		if notes := v.Map().Notes; len(notes) != 1 {
			t.Errorf("notes %q", notes)
		}
	}
}

// lvText writes the metadata of a logical volume of one segment.
func lvText(n int, name, status, segment string) string {
	return fmt.Sprintf(`%s {
		id = "%06d-aaaa-bbbb-cccc-dddd-eeee-ffffff"
		status = [%s]
		flags = []
		segment_count = 1
		segment1 {
			start_extent = 0
			%s
		}
	}
	`, name, n, status, segment)
}

const (
	visible = `"READ", "WRITE", "VISIBLE"`
	hidden  = `"READ", "WRITE"`
)

func linear(first, count int) string {
	return fmt.Sprintf("extent_count = %d\ntype = \"striped\"\nstripe_count = 1\nstripes = [\"pv0\", %d]", count, first)
}

// otherTypes are volumes that only a device mapper could make.
func otherTypes() string {
	return lvText(1, "origin", visible, linear(0, 1)) +
		lvText(2, "cow", visible, linear(1, 1)) +
		lvText(3, "snapshot0", hidden, `extent_count = 1 type = "snapshot" chunk_size = 8 origin = "origin" cow_store = "cow"`) +
		lvText(4, "plain", visible, linear(2, 2)) +
		lvText(5, "m", visible, `extent_count = 1 type = "mirror" mirror_count = 2 mirror_log = "m_mlog" region_size = 1024 mirrors = ["m_mimage_0", 0, "m_mimage_1", 0]`) +
		lvText(6, "m_mimage_0", hidden, linear(4, 1)) +
		lvText(7, "m_mimage_1", hidden, linear(5, 1)) +
		lvText(20, "m_mlog", hidden, linear(17, 1)) +
		lvText(8, "r", visible, `extent_count = 1 type = "raid1" device_count = 2 region_size = 4096 raids = ["r_rmeta_0", "r_rimage_0", "r_rmeta_1", "r_rimage_1"]`) +
		lvText(9, "r_rmeta_0", hidden, linear(6, 1)) +
		lvText(10, "r_rimage_0", hidden, linear(7, 1)) +
		lvText(11, "r_rmeta_1", hidden, linear(8, 1)) +
		lvText(12, "r_rimage_1", hidden, linear(9, 1)) +
		lvText(13, "pool", visible, `extent_count = 2 type = "thin-pool" metadata = "pool_tmeta" pool = "pool_tdata" transaction_id = 1 chunk_size = 128 discards = "passdown" zero_new_blocks = 1`) +
		lvText(14, "pool_tmeta", hidden, linear(10, 1)) +
		lvText(15, "pool_tdata", hidden, linear(11, 2)) +
		lvText(16, "thin", visible, `extent_count = 9 type = "thin" thin_pool = "pool" transaction_id = 0 device_id = 1`) +
		lvText(17, "moving", visible+`, "LOCKED"`, `extent_count = 1 type = "striped" stripe_count = 1 stripes = ["pvmove0", 0]`) +
		lvText(18, "pvmove0", hidden+`, "PVMOVE", "LOCKED"`, `extent_count = 1 type = "mirror" mirror_count = 2 extents_moved = 0 region_size = 1024 mirrors = ["pv0", 13, "pv0", 14]`) +
		lvText(19, "striped", visible, `extent_count = 2 type = "striped" stripe_count = 2 stripe_size = 128 stripes = ["pv0", 15, "pv0", 16]`)
}

// TestOtherTypes gives a group such volumes by way of vgcfgrestore, which
// checks what it is given.
func TestOtherTypes(t *testing.T) {
	file := maptest.File(t, 256*mib)
	l := lvmtest.New(t, lvmtest.Slice{File: file})
	l.Group("vg")
	l.Volume("vg", "a", 1)
	text := l.Text("vg")
	i := strings.Index(text, "logical_volumes {")
	l.SetText("vg", text[:i]+"logical_volumes {\n"+otherTypes()+"}\n}\n")
	v := read(t, file)
	compare(t, l, l.Device[0], v)
	for _, lv := range v.LVs {
		if want := lv.Name == "plain"; lv.Linear != want {
			t.Errorf("%s: linear is %v", lv.Name, lv.Linear)
		}
	}
}

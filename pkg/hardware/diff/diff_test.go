package diff

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// doc is a document of what stands after its first line.
func doc(t testing.TB, rest string) map[string]any {
	t.Helper()
	d, err := Decode([]byte(`{"schema":"orbit-inventory/1",` + rest + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const machine = `"id":"m1","readings":{"took":1.5},
 "system":{"product":"R630","serial":"X"},
 "memory":{"total":17179869184,"usable":16000000000,"modules":[
  {"id":"DIMM A1","size":8589934592,"type":"DDR4","vendor":"Micron","serial":"1234","readings":{"corrected":0,"uncorrected":0}},
  {"id":"DIMM B1","size":8589934592,"type":"DDR4"}]},
 "disks":[{"id":"eui.1","name":"nvme0n1","size":2000398934016,"firmware":"1.0","partitions":[{"id":"1","start":1048576,"size":5}]}],
 "cpus":[{"id":"CPU 0","flags":["aes","sse4_2","vmx"],"caches":[{"id":"L3","size":1,"count":1}]}],
 "nics":[{"id":"aa:bb","name":"eth0","driver":"ice","pxe":true,"neighbour":{"port":"Gi1/0/7","switch":"sw1"}}],
 "pci":[{"id":"0000:00:02.0","vendor":"8086","vendor_name":"Intel"}]`

func TestCompare(t *testing.T) {
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(machine) }
	for _, test := range []struct {
		name     string
		old, new string
		want     []string // in words
	}{
		{"same", machine, machine, nil},
		{"what changes by itself", machine, change(`1.5`, `2.5`, `nvme0n1`, `nvme1n1`, `"corrected":0`, `"corrected":7`, `,"pxe":true`, ``, `Intel`, `Intel Corporation`,
			`,"neighbour":{"port":"Gi1/0/7","switch":"sw1"}`, ``, `16000000000`, `15999000000`), nil},
		{"written otherwise", machine, change(`17179869184`, `1.7179869184e10`), nil},
		{"lists in another order", `"pci":[{"id":"a"},{"id":"b"}]`, `"pci":[{"id":"b"},{"id":"a"}]`, nil},
		{"a module gone", machine, change(`{"id":"DIMM A1","size":8589934592,"type":"DDR4","vendor":"Micron","serial":"1234","readings":{"corrected":0,"uncorrected":0}},
  `, ``, `17179869184`, `8589934592`),
			[]string{"memory.modules[DIMM A1]: gone (DDR4, Micron, 8.0 GiB, serial 1234)", "memory.total: 16 GiB -> 8.0 GiB"}},
		{"another disk", machine, change(`eui.1`, `eui.2`), []string{"disks[eui.1]: gone (1.8 TiB)", "disks[eui.2]: new (1.8 TiB)"}},
		{"values", machine, change(`"1.0"`, `"1.1"`, `2000398934016`, `2000398934017`, `,"serial":"X"`, ``, `"driver":"ice"`, `"driver":"ice","mac":"aa:bb"`, `"size":1,`, `"size":2,`),
			[]string{"cpus[CPU 0].caches[L3].size: 1 B -> 2 B", "disks[eui.1].firmware: 1.0 -> 1.1", "disks[eui.1].size: 2000398934016 -> 2000398934017", "nics[aa:bb].mac: now aa:bb", "system.serial: was X, is not known now"}},
		{"lists of words", machine, change(`"vmx"`, `"xsave","zmm"`), []string{"cpus[CPU 0].flags: - vmx + xsave zmm"}},
		{"the order of words", machine, change(`"aes","sse4_2"`, `"sse4_2","aes"`), []string{"cpus[CPU 0].flags: aes sse4_2 vmx -> sse4_2 aes vmx"}},
		{"a section", machine, machine + `,"tpm":{"version":"2.0","vendor":"IFX"}`, []string{"tpm: new (2.0, IFX)"}},
		{"another cable", machine, change(`Gi1/0/7`, `Gi1/0/8`), []string{"nics[aa:bb].neighbour.port: Gi1/0/7 -> Gi1/0/8"}},
		{"a partition", machine, change(`{"id":"1","start":1048576,"size":5}`, `{"id":"1","start":1048576,"size":5},{"id":"2","start":2097152,"size":1048576,"label":"root"}`),
			[]string{"disks[eui.1].partitions[2]: new (root, 1.0 MiB)"}},
		{"the first of a list", `"id":"m"`, `"id":"m","disks":[{"id":"x"}]`, []string{"disks[x]: new"}},
		{"another machine", machine, change(`"m1"`, `"m2"`), []string{"id: m1 -> m2"}},
		{"only some sections", machine, `"id":"aa:bb","only":["nics","tpm"],"nics":[{"id":"aa:bb","driver":"ixgbe"}]`, []string{"nics[aa:bb].driver: ice -> ixgbe"}},
		{"only other sections", `"id":"1","only":["disks"],"disks":[{"id":"x"}]`, `"id":"2","only":["nics"],"nics":[{"id":"y"}]`, nil},
		{"a collector that failed", machine + `,"errors":[{"id":"pci","error":"x"}]`,
			change(`"disks":[{"id":"eui.1"`, `"errors":[{"id":"disks","error":"gave up after 1s"}],"disks":[{"id":"eui.9"`, `"R630"`, `"R640"`),
			[]string{"system.product: R630 -> R640", "disks: not compared: gave up after 1s", "pci: not compared: in the old one: x"}},
		{"a collector that failed alike", machine + `,"errors":[{"id":"disks","error":"SMART: not root"}]`,
			change(`"1.0"`, `"1.1"`) + `,"errors":[{"id":"disks","error":"SMART: not root"}]`, []string{"disks[eui.1].firmware: 1.0 -> 1.1"}},
		{"a collector of what was not asked for", `"only":["disks"]`, `"errors":[{"id":"pci","error":"x"}]`, nil},
		{"twins", `"usb":[{"id":"1","serial":"a"},{"id":"1","serial":"b"},{"id":"1","serial":"c"}]`, `"usb":[{"id":"1","serial":"a"},{"id":"1","serial":"x"}]`,
			[]string{"usb[1].serial: b -> x", "usb[1]: gone (serial c)"}},
		{"members without ids", `"x":[{"a":1},{"a":[true,null]}]`, `"x":[{"a":1},{"a":[true,false]}]`, []string{`x: - {"a":[true,null]} + {"a":[true,false]}`}},
		{"other kinds of values", `"x":{"a":1},"y":[1],"z":true`, `"x":1,"y":"1","z":"true"`, []string{`x: {"a":1} -> 1`, "y: 1 -> 1", "z: true -> true"}},
		{"a trial that was made", machine, machine + `,"burnin":{"passed":true}`, nil},
		{"a trial that failed", machine + `,"burnin":{"passed":true}`, machine + `,"burnin":{"passed":false}`, []string{"burnin.passed: true -> false"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Compare(doc(t, test.old), doc(t, test.new))
			var got []string
			for _, c := range r.Changes {
				got = append(got, c.String())
			}
			for _, u := range r.Unknown {
				got = append(got, u.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if r.Same() != (test.want == nil) {
				t.Errorf("same: %v", r.Same())
			}
		})
	}
}

// TestJSON has the result keep what was found.
func TestJSON(t *testing.T) {
	r := Compare(doc(t, `"disks":[{"id":"a","size":9007199254740993}]`), doc(t, `"disks":[{"id":"a","size":1},{"id":"b"}],"errors":[{"id":"nics","error":"x"}]`))
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"changes":[{"path":"disks[a].size","kind":"changed","old":9007199254740993,"new":1},{"path":"disks[b]","kind":"added","new":{"id":"b"}}],` +
		`"unknown":[{"section":"nics","error":"x"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if got, _ := json.Marshal(Compare(nil, nil)); string(got) != `{"changes":[]}` {
		t.Errorf("%s", got)
	}
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"schema":"orbit-inventory/1"}`: "",
		"":                               "ends too early",
		`{"schema":"orbit-inventory/1"`:  "ends too early",
		`{"schema":"orbit-inventory/1","disks":[{`: "ends too early",
		`{"schema":"orbit-inventory/1"} x`:         "something follows",
		`{"schema":"orbit-inventory/1"}{}`:         "something follows",
		`{"schema":"orbit-inventory/2"}`:           "version orbit-inventory/2, this program reads orbit-inventory/1",
		`{"schema":"receipt/1"}`:                   "no inventory",
		`{"id":"x"}`:                               "no inventory",
		`null`:                                     "no inventory",
		`[]`:                                       "no JSON object",
		`x`:                                        "no JSON object",
		`{"schema":"orbit-inventory/1"}` + "\n\n\t": "",
	} {
		_, err := Decode([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add(`{"schema":"orbit-inventory/1",`+machine+`}`, `{"schema":"orbit-inventory/1","only":["disks"],"disks":[{"id":"a"},{"id":"a"},7]}`)
	f.Add(`{"schema":"orbit-inventory/1","errors":[{"id":"x","error":"y"},{}],"x":[1,[2]]}`, `{"schema":"orbit-inventory/1","only":7,"x":{"a":null}}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		old, err := Decode([]byte(a))
		if err != nil {
			return
		}
		if r := Compare(old, old); !r.Same() {
			t.Errorf("a document differs from itself: %+v", r)
		}
		new, err := Decode([]byte(b))
		if err != nil {
			return
		}
		there, back := Compare(old, new), Compare(new, old)
		if len(there.Changes) != len(back.Changes) || len(there.Unknown) != len(back.Unknown) {
			t.Errorf("%+v\nbut the other way round\n%+v", there, back)
		}
		for _, c := range there.Changes {
			if c.String() == "" || c.Kind == Added && c.Old != nil || c.Kind == Removed && c.New != nil {
				t.Errorf("%+v", c)
			}
		}
	})
}

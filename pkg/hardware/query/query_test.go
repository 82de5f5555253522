package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

const server = `{
 "schema": "orbit-inventory/1", "id": "4c4c4544",
 "system": {"vendor": "Dell Inc.", "product": "PowerEdge R630", "serial": "B5RNN2", "board": {"asset": ""}},
 "firmware": {"mode": "uefi", "date": "2019-03-04", "release": "2.9"},
 "tpm": {"version": "2.0"},
 "memory": {"total": 17179869184, "modules": [{"id": "DIMM A1", "size": 8589934592}, {"id": "DIMM B1", "size": 8589934592, "readings": {"corrected": 0, "uncorrected": 0}}]},
 "disks": [
  {"id": "a", "size": 2000398934016, "rotational": true, "bus": "sata", "partitions": [{"id": "1", "size": 5}, {"id": "2", "size": 7, "label": "root"}]},
  {"id": "b", "size": 480103981056, "bus": "nvme", "serial": "S\"1\\2", "readings": {"temperature": -5, "wear": 1.5}},
  {"id": "c", "size": 480103981056, "bus": "nvme", "serial": "0042", "removable": false}],
 "nics": [{"id": "x", "driver": "ice", "numa": 0, "wol": ["phy", "magic"], "mac": null}, {"id": "y", "driver": "tg3", "wol": []}],
 "pci": [{"id": "0000:00:1f.2", "vendor": "8086", "device": "15b7", "class": "020000"}],
 "usb": [{"id": "1-1", "speed": "480"}],
 "nested": [[{"n": 1}], [[{"n": 2}]], 3, null],
 "node": {"id": "52:54:00:00:00:01", "job": {"state": "failed"}}
}`

func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMatch(t *testing.T) {
	exact := decode(t, server)
	var floats any
	if err := json.NewDecoder(bytes.NewReader([]byte(server))).Decode(&floats); err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]bool{
		// The examples of the documentation.
		`disks.size>=1TB && nics.driver=="ice"`:                                          true,
		`count(disks[size>=1TB && !rotational]) >= 4 || system.product=~"^PowerEdge R6"`: true,

		// Any member of a list.
		`disks.bus=="nvme"`:          true,
		`disks.bus=="scsi"`:          false,
		`disks.bus!="nvme"`:          true,
		`!(disks.bus=="scsi")`:       true,
		`nics.wol=="magic"`:          true,
		`nics.wol!="magic"`:          true,
		`disks.partitions.label`:     true,
		`disks.partitions.size>6`:    true,
		`disks.partitions.size > 7`:  false,
		`nested.n==2 && nested.n==1`: true,
		`nested==3`:                  true,

		// One member fulfils all.
		`disks.size>=1TB && disks.bus=="nvme"`:                          true,
		`disks[size>=1TB && bus=="nvme"]`:                               false,
		`disks[size>=400GB && bus=="nvme"]`:                             true,
		`disks[size>=1TB][rotational]`:                                  true,
		`disks[size>=1TB][!rotational]`:                                 false,
		`disks[partitions[label=="root" && size==7]].bus=="sata"`:       true,
		`disks[partitions[label=="root" && size==5]]`:                   false,
		`memory.modules["DIMM A1"].size==8GiB`:                          true,
		`memory.modules['DIMM C1']`:                                     false,
		`memory[total==16G].modules`:                                    true,
		`nested[n==2]`:                                                  true,
		`system.product[x]`:                                             false,
		`system.product[!x]`:                                            true,
		`disks[size>1TB || bus=="nvme"].readings[temperature<0].wear>1`: true,

		// Alone: there, and not false or empty.
		`tpm`:                true,
		`bmc`:                false,
		`!bmc`:               true,
		`!!tpm`:              true,
		`system.board`:       true,
		`system.board.asset`: false,
		`disks.rotational`:   true,
		`disks.removable`:    false,
		`nics.numa`:          true,
		`nics.mac`:           false,
		`disks.none.of.it`:   false,
		`(((tpm)))`:          true,
		`tpm&&bmc||tpm`:      true,
		`tpm||tpm&&bmc`:      true,
		`!tpm||tpm`:          true,
		`!(tpm||bmc)`:        false,

		// Absent: nothing holds, but false is absent.
		`bmc.address=="10.0.0.1"`:                 false,
		`bmc.address!="10.0.0.1"`:                 false,
		`!(bmc.address=="10.0.0.1")`:              true,
		`bmc.vlan<5`:                              false,
		`disks[serial!="0042"].id=="a"`:           false,
		`disks[rotational==false].id=="b"`:        true,
		`disks[rotational!=true].id=="b"`:         true,
		`disks[rotational!=false].id=="b"`:        false,
		`disks[rotational==true].id=="a"`:         true,
		`disks[rotational==true].id=="b"`:         false,
		`disks[removable==false].id=="c"`:         true,
		`bmc.x==false`:                            false,
		`nics.mac==false && nics.mac!~"x"`:        false,
		`disks.rotational<"x" || disks.size=="x"`: false,

		// Numbers.
		`memory.total==16G`:                true,
		`memory.total==16GiB`:              true,
		`memory.total==17.179869184GB`:     true,
		`memory.total==17179869183`:        false,
		`memory.total>17179869183`:         true,
		`memory.total<=17179869184`:        true,
		`memory.total<0x`:                  false,
		`disks.readings.temperature==-5`:   true,
		`disks.readings.temperature<-4.5`:  true,
		`disks.readings.wear==1.5`:         true,
		`disks.readings.wear<1.5`:          false,
		`disks.readings.wear>=1.4999`:      true,
		`memory.total>="16GiB"`:            true,
		`memory.total!="much"`:             true,
		`memory.total=="much"`:             false,
		`memory.total<"much"`:              false,
		`memory.total=~"^1717"`:            true,
		`usb.speed>=480 && usb.speed<1000`: true,
		`pci.vendor==8086`:                 true,
		`pci.vendor!=8086`:                 false,
		`pci.class==20000`:                 false,
		`pci.class==020000`:                true,
		`pci.device>1`:                     false,
		`tpm.version>=2`:                   true,
		`tpm.version==2`:                   true,
		`memory.total==true`:               false,
		`memory.total!=true`:               true,

		// Text.
		`disks.serial=="S\"1\\2"`:           true,
		`disks.serial=='S"1\\2'`:            true,
		`disks.serial=="0042"`:              true,
		`disks.serial==42`:                  false,
		`system.vendor=="dell inc."`:        false,
		`system.vendor=~"(?i)^dell inc\.$"`: true,
		`system.vendor=~"^dell"`:            false,
		`nics.driver!~"^i"`:                 true,
		`nics[driver!~"^(i|t)"]`:            false,
		`firmware.date<"2020"`:              true,
		`firmware.date>="2020-01-01"`:       false,
		`system=~"x" || system!~"x"`:        false,
		`node.job.state=='failed'`:          true,
		`system.product==true`:              false,

		// Counts.
		`count(disks)==3`:              true,
		`count(disks.partitions)==2`:   true,
		`count(disks.serial)<3`:        true,
		`count(disks[bus=="nvme"])>=2`: true,
		`count(bmc)`:                   false,
		`!count(bmc)`:                  true,
		`count(disks[count(partitions)>1].partitions) == 2`: true,
		`count(nics.wol)==2`: true,
		`count(tpm)==1`:      true,
	} {
		q, err := Parse(src)
		if strings.Contains(src, "0x") {
			if err == nil {
				t.Errorf("%s: was understood", src)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got := q.Match(exact); got != want {
			t.Errorf("%s is %v", src, got)
		}
		if got := q.Match(floats); got != want {
			t.Errorf("%s is %v with float64", src, got)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for src, want := range map[string]string{
		"":                                   "at its end: expected a path such as disks.size, count(, ! or (, found the end",
		"disks.size>=":                       "at its end: expected a value: text in quotes, a number, true or false, found the end",
		`nics.driver==ice`:                   `at "ice" (character 14): expected a value, found the word ice (text stands in quotes: "ice")`,
		`nics.driver="ice"`:                  `at "=\"ice\"" (character 12): equal is written ==`,
		`tpm & bmc`:                          `at "& bmc" (character 5): and is written &&`,
		`tpm bmc`:                            `at "bmc" (character 5): expected &&, || or the end, found the word bmc`,
		`(tpm`:                               `at its end: expected ) for the ( before "tpm", found the end`,
		`tpm)`:                               `at ")" (character 4): expected &&, || or the end, found )`,
		`disks[size>1T`:                      `expected ] for the [ before "size>1T"`,
		`disks[0]`:                           `members of lists have no numbers`,
		`disks[]`:                            `expected a path`,
		`disks.`:                             `expected a word after the dot, found the end`,
		`disks."size"`:                       `expected a word after the dot, found the text "size"`,
		`disks.size>=1X`:                     `1X is no number with a unit of bytes`,
		`pci.device==15b7`:                   `if it is text, write "15b7"`,
		`system.vendor=="x`:                  `at "\"x" (character 16): the text has no closing "`,
		`system.vendor=~x`:                   `expected a regular expression in quotes`,
		`system.vendor=~"(x"`:                "missing closing )",
		`count(disks`:                        `expected ) for the ( before "disks"`,
		`count(1)`:                           `expected the path of what to count, found 1`,
		`count(disks)=="3"`:                  `expected a number to compare the count with`,
		`count(disks)=~"3"`:                  `expected a number to compare the count with`,
		`disks.rotational>true`:              `true is neither less nor more than anything`,
		`system.vendor == "ä" && ü`:          `at "ü" (character 25): 'ü' has no meaning here`,
		strings.Repeat("!", 60) + "x":        "more than 50 things are in one another",
		strings.Repeat("(", 60) + "x":        "more than 50 things are in one another",
		strings.Repeat("a[", 60) + "x":       "more than 50 things are in one another",
		"x" + strings.Repeat(" ", MaxLength): "longer than 4096 bytes",
		`disks.size>=99999999999999999999999999P`: `is no number`,
	} {
		_, err := Parse(src)
		var e *SyntaxError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v\nwant %s", src, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	f := FieldsOf(reflect.TypeFor[struct {
		hardware.Document
		Node struct {
			ID string `json:"id"`
		} `json:"node"`
	}]())
	for src, want := range map[string]string{
		`disks[size>=1TB && !rotational].partitions.filesystem.type=="xfs" && node.id && nics["x"].readings.up && count(memory.modules)>1`: "",
		`readings.time>"2024"`:              "",
		`disk.size>=1TB`:                    `at "disk.size>=1TB" (character 1): there is no disk here, there is: bmc, burnin, cpus`,
		`tpm && (bmc || !disks[sise>=1TB])`: `at "sise>=1TB])" (character 23): there is no sise here, there is: address, bus`,
		`disks.size.x`:                      "there is no x here, there is: nothing",
		`readings.time.wall`:                "there is no wall here",
		`count(disks[x])`:                   "there is no x here",
		`memory["x"]`:                       "there is no id here",
	} {
		q, err := Parse(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		err = q.Check(f)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", src, err, want)
		}
	}
	columns, err := ParseColumns("node.id,disks.x")
	if err != nil || columns[0].Check(f) != nil || columns[1].Check(f) == nil {
		t.Error(err)
	}
}

func TestColumns(t *testing.T) {
	doc := decode(t, server)
	columns, err := ParseColumns(`node.id, system.product,count(disks) ,disks[bus=="nvme"].serial,disks,bmc.address,disks.rotational,nics.wol,disks.readings.wear`)
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]string
	for _, c := range columns {
		got = append(got, [2]string{c.Name(), c.Text(doc)})
	}
	want := [][2]string{
		{"node.id", "52:54:00:00:00:01"}, {"system.product", "PowerEdge R630"}, {"count(disks)", "3"},
		{`disks[bus=="nvme"].serial`, `S"1\2;0042`}, {"disks", "a;b;c"}, {"bmc.address", ""}, {"disks.rotational", "true"},
		{"nics.wol", "phy;magic"}, {"disks.readings.wear", "1.5"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	for _, src := range []string{"", "a,", "a b", "a,,b", "a==1", "!a"} {
		if _, err := ParseColumns(src); err == nil {
			t.Errorf("%q was understood", src)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, text := range []string{"", "x", `a "b" \ c\`, "\n'ü", `\\"`} {
		q, err := Parse("id == " + Quote(text))
		if err != nil || !q.Match(map[string]any{"id": text}) || q.Match(map[string]any{"id": text + "x"}) {
			t.Errorf("%q quoted is %s: %v", text, Quote(text), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, src := range []string{
		`disks.size>=1TB && nics.driver=="ice"`, `count(disks[size>=1TB && !rotational]) >= 4 || system.product=~"^Power"`,
		`memory.modules["DIMM A1"].size!=8GiB`, `nested[n==2][!x].n<-1.5`, `!(a||b)&&c!~'\d'`, `a.b[c[d]]==false`,
	} {
		f.Add(src)
	}
	doc := decode(f, server)
	fields := FieldsOf(reflect.TypeFor[hardware.Document]())
	f.Fuzz(func(t *testing.T, src string) {
		q, err := Parse(src)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(src) || e.Problem == "" {
				t.Fatalf("%q: %v", src, err)
			}
			return
		}
		holds := q.Match(doc)
		q.Match("text")
		if err := q.Check(fields); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		for _, same := range []struct {
			src  string
			want bool
		}{{"!(" + src + ")", !holds}, {"(" + src + ")&&(" + src + ")", holds}, {"nested[n==1]&&(" + src + ")", holds}} {
			q, err := Parse(same.src)
			if err != nil { // too deep or too long by now
				continue
			}
			if q.Match(doc) != same.want {
				t.Errorf("%q holds: %v, but not so %q", src, holds, same.src)
			}
		}
	})
}

func FuzzColumns(f *testing.F) {
	f.Add("node.id,count(disks), disks[rotational].size")
	doc := decode(f, server)
	f.Fuzz(func(t *testing.T, src string) {
		columns, err := ParseColumns(src)
		if err != nil {
			return
		}
		for _, c := range columns {
			again, err := ParseColumns(c.Name())
			if err != nil || len(again) != 1 || again[0].Name() != c.Name() || again[0].Text(doc) != c.Text(doc) {
				t.Errorf("%q has a column %q, which alone is something else (%v)", src, c.Name(), err)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	doc := decode(b, server)
	q, err := Parse(`count(disks[size>=1TB && !rotational]) >= 4 || system.product=~"^PowerEdge R6"`)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		q.Match(doc)
	}
}

package board

import (
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// processor is what /proc/cpuinfo says of one, by its own words.
type processor map[string]string

// cpuinfo lists the processors that Linux runs on. Of very many only the first
// are there: the file is read no further than 1 MiB.
func cpuinfo(h sysfs.Host) (found []processor) {
	b, _ := h.Bytes("/proc/cpuinfo")
	var p processor
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "processor" {
			p = processor{}
			found = append(found, p)
		}
		if ok && p != nil {
			p[name] = value
		}
	}
	return found
}

// number is the value of a field, 0 if there is none.
func (p processor) number(field string) int {
	n, err := strconv.Atoi(p[field])
	if err != nil {
		return 0
	}
	return n
}

// flags are those of a processor that matter to someone who chooses a machine.
// docs/inventory.md explains them.
func (p processor) flags() (some []string) {
	const matter = " aes amx_bf16 amx_fp16 amx_int8 amx_tile asimd atomics avx avx2 avx512_bf16 avx512_fp16 avx512_vnni avx512bw" +
		" avx512cd avx512dq avx512f avx512vl avx_vnni bmi1 bmi2 bti cat_l3 constant_tsc crc32 cx16 ept f16c flush_l1d fma fsgsbase" +
		" gfni hle invpcid la57 lm mba nonstop_tsc npt nx paca pae pcid pdpe1gb pku pmull popcnt rdrand rdseed rdt_a rtm sev" +
		" sev_es sev_snp sgx sha1 sha2 sha3 sha512 sha_ni smap sme smep smx sse4_1 sse4_2 ssse3 sve sve2 svm tdx_guest" +
		" tdx_host_platform tme tsc_deadline_timer umip user_shstk vaes vmx vpclmulqdq waitpkg x2apic xsave "
	all := p["flags"]
	if all == "" {
		all = p["Features"]
	}
	all = " " + all + " "
	for flag := range strings.FieldsSeq(matter) { // in this order: sorted
		if strings.Contains(all, " "+flag+" ") {
			some = append(some, flag)
		}
	}
	return some
}

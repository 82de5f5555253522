package imaging

import "bytes"

// grain is what zeros are looked for in: a run of fewer is written like data.
// Every grain is a multiple of every sector size.
const grain = 64 << 10

// zeros is what data is compared with. bytes.Equal is vectorised; a loop over
// words is not.
var zeros [grain]byte

// run is a part of a block that is all zeros or is to be written as it is.
type run struct {
	from, to int
	zero     bool
}

// runs cuts data into runs of whole grains (the last may be shorter), calling
// yield with each. A run of zeros shorter than least, in bytes, is handed out
// as part of the data around it.
func runs(data []byte, least int, yield func(run) error) error {
	start := 0 // of data not yielded yet
	for at := 0; at < len(data); {
		end := at
		for end < len(data) && isZero(data[end:min(end+grain, len(data))]) {
			end = min(end+grain, len(data))
		}
		if end-at >= least && end > at {
			if start < at {
				if err := yield(run{start, at, false}); err != nil {
					return err
				}
			}
			if err := yield(run{at, end, true}); err != nil {
				return err
			}
			start = end
		}
		at = min(max(end, at)+grain, len(data)) // data[end:] begins with a grain that is not zeros
	}
	if start < len(data) {
		return yield(run{start, len(data), false})
	}
	return nil
}

// isZero looks at the ends of a grain first: most that are not zeros show it there.
func isZero(p []byte) bool {
	return p[0] == 0 && p[len(p)-1] == 0 && bytes.Equal(p, zeros[:len(p)])
}

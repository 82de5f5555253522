package stream

import "github.com/ulikunitz/xz"

func decodeXz(src *source, out *outlet, l limits) error {
	z, err := xz.ReaderConfig{DictCap: int(min(l.window, 1<<30))}.NewReader(src)
	if err != nil {
		return err
	}
	return out.copyFrom(z)
}

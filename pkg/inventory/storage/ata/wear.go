package ata

import "strings"

// life lists attributes whose value is the percentage of a solid state disk's
// life that is left, with the models of which that is known: the same numbers
// mean other things elsewhere.
var life = [...]struct {
	id     byte
	models string // beginnings, in lower case, with | between them
}{
	{231, "kingston|sandforce|ocz|corsair|patriot|adata|team|pny|phison|apacer|transcend|silicon power|goodram|spcc"}, // SSD_Life_Left
	{202, "crucial|ct|micron|mtfd"},                            // Percent_Lifetime_Remain
	{233, "intel|ssdsc|solidigm"},                              // Media_Wearout_Indicator
	{177, "samsung|mz"},                                        // Wear_Leveling_Count
	{173, "crucial|ct|micron|mtfd"},                            // Ave_Block-Erase_Count
	{169, "apacer|transcend|ts|silicon power|spcc|adata|team"}, // Remaining_Lifetime_Perc
}

// spares lists attributes whose value is the percentage of spare blocks left.
var spares = [...]struct {
	id     byte
	models string
}{
	{232, "intel|ssdsc|solidigm"},
	{170, "intel|ssdsc|solidigm"},
	{179, "samsung|mz"},
	{180, "crucial|ct|micron|mtfd|samsung|mz"},
}

// Wear is the percentage of a solid state disk's life that is used, if this
// model is known to tell.
func (s SMART) Wear(model string) (int, bool) {
	for _, l := range &life {
		if a, ok := s.Get(l.id); ok && named(model, l.models) && a.Value <= 100 {
			return 100 - int(a.Value), true
		}
	}
	return 0, false
}

// Spare is the percentage of spare blocks left.
func (s SMART) Spare(model string) (int, bool) {
	for _, l := range &spares {
		if a, ok := s.Get(l.id); ok && named(model, l.models) && a.Value <= 100 {
			return int(a.Value), true
		}
	}
	return 0, false
}

func named(model, models string) bool {
	model = strings.ToLower(model)
	for m := range strings.SplitSeq(models, "|") {
		if strings.HasPrefix(model, m) {
			return true
		}
	}
	return false
}

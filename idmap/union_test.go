package idmap

import (
	"slices"
	"testing"
)

func TestUnion(t *testing.T) {
	unique := Map{{0, 0, 1}, {1, 1001, 999}}
	for name, c := range map[string]struct {
		a, b, want Map
		ok         bool
	}{
		"with nothing":            {unique, nil, unique, true},
		"of nothing":              {nil, unique, unique, true},
		"of the same":             {unique, unique, unique, true},
		"one has more":            {unique, Map{{0, 0, 1}, {1, 1001, 1999}, {65534, 5000, 1}}, Map{{0, 0, 1}, {1, 1001, 1999}, {65534, 5000, 1}}, true},
		"each has something":      {Map{{5, 15, 10}}, Map{{10, 20, 10}}, Map{{5, 15, 15}}, true},
		"in the middle":           {Map{{0, 100, 10}, {20, 120, 10}}, Map{{5, 105, 20}}, Map{{0, 100, 30}}, true},
		"root is somebody else":   {unique, Map{{0, 1000, 1000}}, nil, false},
		"one outer ID, two inner": {Map{{0, 0, 1}}, Map{{1000, 0, 1}}, nil, false},
		"shifted by one":          {Map{{0, 100, 10}}, Map{{9, 110, 10}}, nil, false},
	} {
		got, ok := c.a.Union(c.b)
		if ok != c.ok || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v %v, want %v %v", name, got, ok, c.want, c.ok)
		}
		if ok && len(got) > 0 && got.Validate() != nil {
			t.Errorf("%s: %v", name, got.Validate())
		}
	}
}

func TestCrosses(t *testing.T) {
	unique := Map{{0, 0, 1}, {1, 1001, 999}}
	for name, c := range map[string]struct {
		a, b Map
		want bool
	}{
		"nothing moves":      {unique, unique, false},
		"to free IDs":        {unique, Map{{0, 0, 1}, {1, 3001, 999}}, false},
		"all to free IDs":    {unique, Map{{0, 3000, 1000}}, false},
		"root into the gap":  {unique, Map{{0, 1000, 1000}}, false},
		"two change places":  {Map{{0, 0, 1}, {1, 1, 1}}, Map{{0, 1, 1}, {1, 0, 1}}, true},
		"one after another":  {Map{{0, 100, 10}}, Map{{0, 105, 10}}, true},
		"keep-id":            {unique, Map{{0, 1000, 1}, {1, 1001, 499}, {500, 0, 1}, {501, 1501, 499}}, true},
		"nobody is in both":  {Map{{0, 0, 10}}, Map{{10, 0, 10}}, false},
		"edges do not touch": {Map{{0, 100, 10}}, Map{{0, 110, 10}}, false},
	} {
		if got := c.a.Crosses(c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

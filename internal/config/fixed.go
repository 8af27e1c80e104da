package config

import "reflect"

// Fixed lists the settings in which two trees differ and that a running worker can't change: all but the apps and the levels of
// the log, by their full keys.
func Fixed(a, b *Config) []string {
	return differing("", reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
}

func differing(prefix string, a, b reflect.Value) (keys []string) {
	others := children(b)
	for i, one := range children(a) {
		switch key := prefix + one.key; {
		case key == "apps", key == "log.level", key == "log.levels":
		case isSection(one.value):
			keys = append(keys, differing(key+".", one.value, others[i].value)...)
		case !reflect.DeepEqual(one.value.Interface(), others[i].value.Interface()):
			keys = append(keys, key)
		}
	}
	return keys
}

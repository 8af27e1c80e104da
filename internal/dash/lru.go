package dash

import "container/list"

// lru is a map of bounded size: a new key takes the place of the one that was longest not used. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	most  int
	order *list.List // of *pair[K, V], the last used first
	keys  map[K]*list.Element
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](most int) lru[K, V] {
	return lru[K, V]{most: most, order: list.New(), keys: make(map[K]*list.Element)}
}

// at returns the value of the key, made if there is none.
func (l *lru[K, V]) at(key K) (value *V, made bool) {
	if e, ok := l.keys[key]; ok {
		l.order.MoveToFront(e)
		return &e.Value.(*pair[K, V]).value, false
	}
	if l.order.Len() >= l.most {
		last := l.order.Back()
		delete(l.keys, last.Value.(*pair[K, V]).key)
		l.order.Remove(last)
	}
	p := &pair[K, V]{key: key}
	l.keys[key] = l.order.PushFront(p)
	return &p.value, true
}

// get returns the value of the key, nil if there is none. It is no use of it.
func (l *lru[K, V]) get(key K) *V {
	if e, ok := l.keys[key]; ok {
		return &e.Value.(*pair[K, V]).value
	}
	return nil
}

// each calls fn with every value, the last used first.
func (l *lru[K, V]) each(fn func(*V)) {
	for e := l.order.Front(); e != nil; e = e.Next() {
		fn(&e.Value.(*pair[K, V]).value)
	}
}

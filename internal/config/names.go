// Names of settings: where else one is known, and which one was probably meant.

package config

import "fmt"

// names lists the settings and blocks of a block.
func names(in Block) (list []string) {
	for _, s := range Settings {
		if s.Block == in {
			list = append(list, s.Name)
		}
	}
	return list
}

// elsewhere finds the block in which name is a setting.
func elsewhere(name string, not Block) (Block, bool) {
	for _, s := range Settings {
		if s.Name == name && s.Block != not && s.Block != InHook && s.Block != InStatic {
			return s.Block, true
		}
	}
	return Top, false
}

func (b Block) where() string {
	if b == Top {
		return "outside any block"
	}
	return "into the " + string(b) + " block"
}

func (b Block) example(name string) string {
	switch b {
	case Top:
		return "Move it out of the braces."
	case InListen:
		return fmt.Sprintf("Write listen \"...\" { %s = ... }.", name)
	case InAdmin:
		return fmt.Sprintf("Write admin \"...\" { %s = ... }.", name)
	}
	return fmt.Sprintf("Write %s { %s = ... }.", b, name)
}

func (b Block) suffix() string {
	if b == Top {
		return ""
	}
	return " of the " + string(b) + " block"
}

// didYouMean is the sentence, or "" when nothing is near.
func didYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return "Did you mean " + near + "?"
	}
	return ""
}

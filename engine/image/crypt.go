package image

import (
	"errors"
	"fmt"

	cryptconfig "github.com/containers/ocicrypt/config"
	"github.com/containers/ocicrypt/helpers"
)

// crypt is how layers are encrypted and decrypted: not at all, if it is zero.
type crypt struct {
	encrypt *cryptconfig.EncryptConfig
	layers  *[]int // nil is none, empty all
	decrypt *cryptconfig.DecryptConfig
}

func newCrypt(encrypt []string, layers []int, decrypt []string) (*crypt, error) {
	c := &crypt{}
	switch {
	case len(encrypt) > 0 && len(decrypt) > 0:
		return nil, errors.New("an image is either encrypted or decrypted")
	case len(layers) > 0 && len(encrypt) == 0:
		return nil, errors.New("to encrypt layers takes a key")
	case len(encrypt) > 0:
		cc, err := helpers.CreateCryptoConfig(encrypt, nil)
		if err != nil {
			return nil, fmt.Errorf("encryption key: %w", err)
		}
		c.encrypt, c.layers = cryptconfig.CombineCryptoConfigs([]cryptconfig.CryptoConfig{cc}).EncryptConfig, &layers
	case len(decrypt) > 0:
		cc, err := helpers.CreateCryptoConfig(nil, decrypt)
		if err != nil {
			return nil, fmt.Errorf("decryption key: %w", err)
		}
		c.decrypt = cryptconfig.CombineCryptoConfigs([]cryptconfig.CryptoConfig{cc}).DecryptConfig
	}
	return c, nil
}

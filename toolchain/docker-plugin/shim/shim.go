// Package shim opens the Terraform docker provider: its package is internal to a module, and this
// module's name makes it part of that one.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// NewProvider returns the provider, which calls itself by the given version.
func NewProvider(version string) *schema.Provider {
	return provider.New(version)()
}

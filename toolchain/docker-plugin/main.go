// pulumi-resource-docker, made of the two parts that the vendor's is made of: the Terraform docker
// provider and the Terraform bridge. The native docker:index/image:Image is not in it.
package main

import (
	"io"
	"os"
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/shim"
)

// The version that the SDK pulumi-docker asks for; stamped by the build.
var version string

// Pulumi's names where they are not Terraform's in camel case (docs: pulumi-docker's SDK).
var named = map[string]string{"docker_config": "ServiceConfig", "docker_image": "RemoteImage"}

var resources = []string{
	"docker_config", "docker_container", "docker_image", "docker_network", "docker_plugin",
	"docker_registry_image", "docker_secret", "docker_service", "docker_tag", "docker_volume",
}

func token(resource string) tokens.Type {
	name := named[resource]
	if name == "" {
		for _, word := range strings.Split(strings.TrimPrefix(resource, "docker_"), "_") {
			name += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return tokens.Type("docker:index/" + strings.ToLower(name[:1]) + name[1:] + ":" + name)
}

func provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		Name:      "docker",
		Version:   version,
		P:         shimv2.NewProvider(shim.NewProvider(version)),
		Resources: map[string]*tfbridge.ResourceInfo{},
		// The SDK sends it under its singular name.
		Config: map[string]*tfbridge.SchemaInfo{"registry_auth": {Name: "registryAuth"}},
	}
	for _, resource := range resources {
		info.Resources[resource] = &tfbridge.ResourceInfo{Tok: token(resource)}
	}
	info.SetAutonaming(255, "-")
	return info
}

// The engine holds the other end of standard input: when it is killed, this ends too.
func endWithEngine() {
	stat, err := os.Stdin.Stat()
	if err == nil && stat.Mode()&os.ModeNamedPipe != 0 {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
}

func main() {
	go endWithEngine()
	tfbridge.Main("docker", version, provider(), []byte("{}"))
}

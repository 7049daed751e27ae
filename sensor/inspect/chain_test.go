// SPDX-License-Identifier: Apache-2.0

package inspect_test

import (
	"slices"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/inspect"
	"github.com/weir-project/weir/sensor/template"
)

// chain runs target and body through template and inspect, as session does.
func chain(tm *template.Templater, in *inspect.Inspector, method, target, body string) *exchange.Exchange {
	var r template.Result
	tm.Path([]byte(target), []byte("shop.example"), &r)
	return look(in, inspect.Begin{ContentType: []byte("application/json"), Class: r.Class, Server: []byte("shop.example"),
		Template: r.Template, Method: []byte(method), RequestIDs: r.IDs, RequestClasses: r.IDClasses, Status: 200}, body, 64)
}

// What a path and a body say of one thing is one object; what they say of two is two.
func TestObjectsThroughTemplates(t *testing.T) {
	k := keys()
	in := inspect.New(k, inspect.Config{})
	f := func(target, body, objects, requested string) {
		t.Helper()
		// A bound of one template: ids must survive the loss of the template's name.
		for _, tm := range []*template.Templater{template.New(template.Config{Hash: k.Objects.Object}), template.New(template.Config{Hash: k.Objects.Object, MaxTemplates: 1})} {
			chain(tm, in, "GET", "/first", "{}")
			x := chain(tm, in, "GET", target, body)
			if !slices.Equal(x.Objects, hashes(objects)) {
				t.Errorf("%s %s: objects are not %s (%d)", target, body, objects, len(x.Objects))
			}
			slices.Sort(x.RequestedObjects)
			if !slices.Equal(x.RequestedObjects, hashes(requested)) {
				t.Errorf("%s: requested are not %s (%d)", target, requested, len(x.RequestedObjects))
			}
		}
	}
	const uuid = "0191f0c8-7d3a-7b1e-9c55-a0b1c2d3e4f5"
	f("/api/v1/customers?page=2", `{"data":[{"id":17},{"id":18}]}`, "customers:17 customers:18", "")
	f("/api/v1/customers/17", `{"id":17}`, "customers:17", "customers:17")
	f("/api/v1/customers/%31%37/", `{"customer":{"name":"x"}}`, "customers:17", "customers:17")
	f("//api/v1/./customers/17;v=1", `{"id":"17"}`, "customers:17", "customers:17")
	f("http://shop.example/api/v1/customers/17.json", `{"id":17}`, "customers:17", "customers:17")
	f("/api/v1/customers/search?q=x", `{"results":[{"id":17}]}`, "customers:17", "")
	f("/api/v1/Customers(17)", `{"ID":17}`, "customers:17", "customers:17")
	f("/customers/0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5", `{"uuid":"`+uuid+`"}`, "customers:"+uuid, "customers:"+uuid)
	f("/customers", `[{"uuid":"0191F0C8-7D3A-7B1E-9C55-A0B1C2D3E4F5"}]`, "customers:"+uuid, "")
	f("/customers/17/orders", `[{"id":17},{"id":5}]`, "orders:17 orders:5", "customers:17")
	f("/customers/17/orders/5", `{"id":5}`, "orders:5", "customers:17 orders:5")
	f("/orders/17", `{"id":17}`, "orders:17", "orders:17")
	f("/customers/a%40mail.example", `{"email":"a@mail.example"}`, "customers:a@mail.example", "customers:a@mail.example")
}

// SPDX-License-Identifier: Apache-2.0

package corpus

// grpcScenes are gRPC, and HTTP/2 that begins as HTTP/1.
func grpcScenes() []scene {
	return []scene{
		{"h2c-upgrade", []string{"h2c-upgrade"}, h2Upgrade},
		{"h2c-upgrade-refused", []string{"h2c-upgrade"}, h2UpgradeRefused},
		{"grpc-unary", prior("grpc", "h2-trailers"), grpcUnary},
		{"grpc-streams", prior("grpc", "h2-trailers"), grpcStreams},
		{"grpc-fails-at-once", prior("grpc"), grpcFails},
	}
}

func h2Upgrade(p *tape) {
	c := speak(p.talk().open())
	c.upgrade("/upgraded")
	c.say(server, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	c.answer(1, 200, 3000)
	c.flush(server)
	c.did("GET", "/upgraded", 200, 0, 3000)
	c.last = 1
	c.get2("/second", 20)
	c.get2("/third", 30)
	c.close(client)
}

func h2UpgradeRefused(p *tape) {
	c := speak(p.talk().open())
	c.upgrade("/refused")
	c.say(server, download(200, fill(70)))
	c.did("GET", "/refused", 200, 0, 70)
	c.get("/after", 10)
	c.close(client)
}

func grpcUnary(p *tape) {
	c := speak(p.talk().open())
	for i := range 10 {
		id, sent := c.call("Get", 4+i)
		c.flush(client)
		got := c.reply(id, 0, 100*i)
		c.flush(server)
		c.did("POST", "/shop.Customers/Get", 200, sent, got)
	}
	c.close(client)
}

func grpcStreams(p *tape) {
	c := speak(p.talk().open())
	id, sent := c.call("List", 10)
	c.flush(client)
	got := c.reply(id, 0, 0, 10, 20000, 5, 300)
	c.flush(server)
	c.did("POST", "/shop.Customers/List", 200, sent, got)
	id, sent = c.call("Put", 10, 500, 20, 17000)
	c.flush(client)
	got = c.reply(id, 0, 3)
	c.flush(server)
	c.did("POST", "/shop.Customers/Put", 200, sent, got)
	c.close(client)
}

func grpcFails(p *tape) {
	c := speak(p.talk().open())
	id, sent := c.call("Get", 7)
	c.flush(client)
	c.headers(server, id, true, ":status: 200", "content-type: application/grpc", "grpc-status: 5", "grpc-message: not here")
	c.flush(server)
	c.did("POST", "/shop.Customers/Get", 200, sent, 0)
	c.close(client)
}

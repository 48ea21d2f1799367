CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE checkouts (
	client VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	email VARCHAR, 
	payload VARCHAR, 
	customer_id VARCHAR NOT NULL, 
	order_id VARCHAR NOT NULL, 
	token VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	started_at DATETIME NOT NULL, 
	activity_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	completed_at DATETIME, 
	emptied BOOLEAN NOT NULL, 
	consent VARCHAR NOT NULL, 
	consent_source VARCHAR NOT NULL, 
	consent_at DATETIME, 
	country VARCHAR NOT NULL, 
	total VARCHAR NOT NULL, 
	currency VARCHAR NOT NULL, 
	product_name VARCHAR NOT NULL, 
	stage VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	rule VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	arm VARCHAR NOT NULL, 
	lifted BOOLEAN NOT NULL, 
	carry_step INTEGER NOT NULL, 
	triggered_at DATETIME, 
	delivered_first_at DATETIME, 
	delivered_last_at DATETIME, 
	delivered_step INTEGER, 
	bought_by VARCHAR NOT NULL, 
	decide_at DATETIME, 
	updated_at DATETIME NOT NULL, 
	PRIMARY KEY (client, store, id)
);
CREATE INDEX ix_checkouts_customer ON checkouts (client, store, customer_id);
CREATE INDEX ix_checkouts_due ON checkouts (client, decide_at);
CREATE INDEX ix_checkouts_shopper ON checkouts (client, shopper);
CREATE INDEX ix_checkouts_token ON checkouts (client, store, token);
CREATE TABLE crms (
	client VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	identity VARCHAR, 
	name VARCHAR NOT NULL, 
	failures INTEGER NOT NULL, 
	retry_at DATETIME, 
	error VARCHAR NOT NULL, 
	paused BOOLEAN NOT NULL, 
	gone BOOLEAN NOT NULL, 
	PRIMARY KEY (client, id)
);
CREATE TABLE deliveries (
	id INTEGER NOT NULL, 
	client VARCHAR NOT NULL, 
	crm VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	email VARCHAR, 
	kind VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	step INTEGER NOT NULL, 
	generation INTEGER NOT NULL, 
	store VARCHAR NOT NULL, 
	checkout_id VARCHAR NOT NULL, 
	order_id VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	priority INTEGER NOT NULL, 
	due_at DATETIME NOT NULL, 
	next_at DATETIME NOT NULL, 
	attempts INTEGER NOT NULL, 
	attempted_at DATETIME, 
	done_at DATETIME, 
	rule VARCHAR NOT NULL, 
	error VARCHAR NOT NULL, 
	detail VARCHAR NOT NULL, 
	applied VARCHAR NOT NULL, 
	withdrawn BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_deliveries_due ON deliveries (client, crm, state, priority, next_at);
CREATE UNIQUE INDEX ix_deliveries_key ON deliveries ("key");
CREATE INDEX ix_deliveries_shopper ON deliveries (client, shopper, crm);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	client VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	at DATETIME NOT NULL, 
	what VARCHAR NOT NULL, 
	rule VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	checkout_id VARCHAR NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_events_at ON events (at);
CREATE INDEX ix_events_shopper ON events (client, shopper);
CREATE TABLE hours (
	client VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	hour DATETIME NOT NULL, 
	leads INTEGER NOT NULL, 
	PRIMARY KEY (client, store, hour)
);
CREATE TABLE leads (
	id INTEGER NOT NULL, 
	client VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	email VARCHAR NOT NULL, 
	generation INTEGER NOT NULL, 
	store VARCHAR NOT NULL, 
	checkout_id VARCHAR NOT NULL, 
	shown_store VARCHAR NOT NULL, 
	shown_checkout_id VARCHAR NOT NULL, 
	activity_at DATETIME NOT NULL, 
	created_at DATETIME NOT NULL, 
	arm VARCHAR NOT NULL, 
	lifted BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX ix_leads_created_at ON leads (created_at);
CREATE UNIQUE INDEX ix_leads_shopper ON leads (shopper, client);
CREATE TABLE orders (
	client VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	customer_id VARCHAR NOT NULL, 
	checkout_id VARCHAR NOT NULL, 
	token VARCHAR NOT NULL, 
	cart_token VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	purchase BOOLEAN NOT NULL, 
	origin VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	modified_at DATETIME NOT NULL, 
	placed_at DATETIME, 
	cancelled_at DATETIME, 
	total VARCHAR NOT NULL, 
	refunded VARCHAR NOT NULL, 
	currency VARCHAR NOT NULL, 
	PRIMARY KEY (client, store, id)
);
CREATE INDEX ix_orders_cart_token ON orders (client, store, cart_token);
CREATE INDEX ix_orders_customer ON orders (client, store, customer_id);
CREATE INDEX ix_orders_modified ON orders (modified_at);
CREATE INDEX ix_orders_shopper ON orders (client, shopper);
CREATE INDEX ix_orders_token ON orders (client, store, token);
CREATE TABLE recoveries (
	client VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	order_id VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	origin VARCHAR NOT NULL, 
	amount VARCHAR NOT NULL, 
	currency VARCHAR NOT NULL, 
	placed_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	checkout_store VARCHAR NOT NULL, 
	checkout_id VARCHAR NOT NULL, 
	last_step INTEGER, 
	last_delivered_at DATETIME, 
	arm VARCHAR NOT NULL, 
	PRIMARY KEY (client, store, order_id)
);
CREATE INDEX ix_recoveries_shopper ON recoveries (client, shopper);
CREATE TABLE settings (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE stores (
	client VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	identity VARCHAR, 
	name VARCHAR NOT NULL, 
	checkouts_cursor VARCHAR, 
	orders_cursor VARCHAR, 
	first_poll_at DATETIME, 
	next_poll_at DATETIME, 
	polled_at DATETIME, 
	orders_read_at DATETIME, 
	clock_offset FLOAT NOT NULL, 
	failures INTEGER NOT NULL, 
	failing_since DATETIME, 
	error VARCHAR NOT NULL, 
	paused BOOLEAN NOT NULL, 
	gone BOOLEAN NOT NULL, 
	surge BOOLEAN NOT NULL, 
	surge_released_at DATETIME, 
	PRIMARY KEY (client, id)
);
CREATE INDEX ix_stores_next_poll_at ON stores (next_poll_at);
CREATE TABLE suppressions (
	client VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	why VARCHAR NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (client, value)
);
CREATE TABLE windows (
	client VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	opened_at DATETIME, 
	generation INTEGER NOT NULL, 
	PRIMARY KEY (client, shopper)
);
INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING version_num;
CREATE TABLE sequences (
	client VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	steps VARCHAR NOT NULL, 
	PRIMARY KEY (client, id)
);
ALTER TABLE leads ADD COLUMN sequence VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE checkouts ADD COLUMN carry_sequence VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE deliveries ADD COLUMN exchange VARCHAR DEFAULT '' NOT NULL;
CREATE TABLE visits (
	client VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	source VARCHAR NOT NULL, 
	day DATE NOT NULL, 
	started INTEGER NOT NULL, 
	contactable INTEGER NOT NULL, 
	PRIMARY KEY (client, store, source, day)
);
CREATE TABLE _alembic_tmp_checkouts (
	client VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	email VARCHAR, 
	payload VARCHAR, 
	customer_id VARCHAR NOT NULL, 
	order_id VARCHAR NOT NULL, 
	token VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	started_at DATETIME NOT NULL, 
	activity_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	completed_at DATETIME, 
	emptied BOOLEAN NOT NULL, 
	consent VARCHAR NOT NULL, 
	consent_source VARCHAR NOT NULL, 
	consent_at DATETIME, 
	country VARCHAR NOT NULL, 
	total VARCHAR NOT NULL, 
	currency VARCHAR NOT NULL, 
	product_name VARCHAR NOT NULL, 
	stage VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	rule VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	arm VARCHAR NOT NULL, 
	lifted BOOLEAN NOT NULL, 
	carry_step INTEGER NOT NULL, 
	triggered_at DATETIME, 
	delivered_first_at DATETIME, 
	delivered_last_at DATETIME, 
	delivered_step INTEGER, 
	bought_by VARCHAR NOT NULL, 
	decide_at DATETIME, 
	updated_at DATETIME NOT NULL, 
	carry_sequence VARCHAR DEFAULT ('') NOT NULL, 
	source VARCHAR DEFAULT '' NOT NULL, 
	by_link BOOLEAN DEFAULT 0 NOT NULL, 
	PRIMARY KEY (client, store, id)
);
INSERT INTO _alembic_tmp_checkouts (client, store, id, shopper, email, payload, customer_id, order_id, token, status, digest, started_at, activity_at, seen_at, completed_at, emptied, consent, consent_source, consent_at, country, total, currency, product_name, stage, state, rule, reason, arm, lifted, carry_step, triggered_at, delivered_first_at, delivered_last_at, delivered_step, bought_by, decide_at, updated_at, carry_sequence) SELECT checkouts.client, checkouts.store, checkouts.id, checkouts.shopper, checkouts.email, checkouts.payload, checkouts.customer_id, checkouts.order_id, checkouts.token, checkouts.status, checkouts.digest, checkouts.started_at, checkouts.activity_at, checkouts.seen_at, checkouts.completed_at, checkouts.emptied, checkouts.consent, checkouts.consent_source, checkouts.consent_at, checkouts.country, checkouts.total, checkouts.currency, checkouts.product_name, checkouts.stage, checkouts.state, checkouts.rule, checkouts.reason, checkouts.arm, checkouts.lifted, checkouts.carry_step, checkouts.triggered_at, checkouts.delivered_first_at, checkouts.delivered_last_at, checkouts.delivered_step, checkouts.bought_by, checkouts.decide_at, checkouts.updated_at, checkouts.carry_sequence 
FROM checkouts;
DROP TABLE checkouts;
ALTER TABLE _alembic_tmp_checkouts RENAME TO checkouts;
CREATE INDEX ix_checkouts_due ON checkouts (client, decide_at);
CREATE INDEX ix_checkouts_token ON checkouts (client, store, token);
CREATE INDEX ix_checkouts_shopper ON checkouts (client, shopper);
CREATE INDEX ix_checkouts_customer ON checkouts (client, store, customer_id);
ALTER TABLE stores ADD COLUMN notes VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE stores ADD COLUMN visits_read_at DATETIME;
CREATE TABLE templates (
	client VARCHAR NOT NULL, 
	crm VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	pushed_at DATETIME NOT NULL, 
	PRIMARY KEY (client, crm, name)
);
ALTER TABLE recoveries ADD COLUMN day DATE;
ALTER TABLE recoveries ADD COLUMN product_name VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE recoveries ADD COLUMN stage VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE recoveries ADD COLUMN net BIGINT DEFAULT '0' NOT NULL;
update recoveries set day = date(placed_at), net = round(cast(amount as numeric) * 10000);
CREATE TABLE outcomes (
	client VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	checkout_id VARCHAR NOT NULL, 
	day DATE NOT NULL, 
	product_name VARCHAR NOT NULL, 
	stage VARCHAR NOT NULL, 
	arm VARCHAR NOT NULL, 
	steps BIGINT NOT NULL, 
	bought VARCHAR NOT NULL, 
	PRIMARY KEY (client, store, checkout_id, day)
);
CREATE TABLE tallies (
	client VARCHAR NOT NULL, 
	day DATE NOT NULL, 
	store VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	product_name VARCHAR NOT NULL, 
	stage VARCHAR NOT NULL, 
	arm VARCHAR NOT NULL, 
	steps BIGINT NOT NULL, 
	state VARCHAR NOT NULL, 
	last_step INTEGER NOT NULL, 
	currency VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	net BIGINT NOT NULL, 
	PRIMARY KEY (client, day, store, kind, product_name, stage, arm, steps, state, last_step, currency)
);
ALTER TABLE stores ADD COLUMN orders_through DATETIME;
CREATE INDEX ix_orders_checkout ON orders (client, store, checkout_id);
CREATE TABLE coupons (
	client VARCHAR NOT NULL, 
	code VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	shopper VARCHAR NOT NULL, 
	generation INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	state VARCHAR NOT NULL, 
	expires_at DATETIME, 
	asked_at DATETIME NOT NULL, 
	next_at DATETIME, 
	attempts INTEGER NOT NULL, 
	error VARCHAR NOT NULL, 
	PRIMARY KEY (client, code)
);
CREATE INDEX ix_coupons_open ON coupons (state, client, store);
CREATE INDEX ix_coupons_shopper ON coupons (client, shopper);
ALTER TABLE stores ADD COLUMN time_zone VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE stores ADD COLUMN locale VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE stores ADD COLUMN coupons_error VARCHAR DEFAULT '' NOT NULL;
ALTER TABLE stores ADD COLUMN coupons_retry_at DATETIME;
UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';
CREATE INDEX ix_checkouts_state ON checkouts (client, store, state, shopper) WHERE shopper != '';
CREATE INDEX ix_checkouts_carry ON checkouts (client, carry_sequence) WHERE carry_sequence != '';
CREATE INDEX ix_checkouts_updated ON checkouts (client, updated_at);
DROP INDEX ix_leads_created_at;
CREATE INDEX ix_leads_created ON leads (client, created_at);
CREATE INDEX ix_leads_made ON leads (client, store, checkout_id);
CREATE INDEX ix_leads_shown ON leads (client, shown_store, shown_checkout_id);
DROP INDEX ix_deliveries_due;
CREATE INDEX ix_deliveries_pending ON deliveries (client, crm, priority, next_at) WHERE state = 'pending';
CREATE INDEX ix_deliveries_at ON deliveries (client, due_at);
CREATE INDEX ix_windows_opened ON windows (client, opened_at);
CREATE INDEX ix_recoveries_seen ON recoveries (client, seen_at);
DROP INDEX ix_orders_modified;
CREATE INDEX ix_orders_modified ON orders (client, modified_at);
DROP INDEX ix_events_at;
CREATE INDEX ix_events_at ON events (client, at);
UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002';
CREATE INDEX ix_checkouts_order ON checkouts (client, store, order_id) WHERE order_id != '';
UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003';
INSERT INTO checkouts (client, store, id, shopper, email, payload, customer_id, order_id, token, status, digest, started_at, activity_at, seen_at, completed_at, emptied, consent, consent_source, consent_at, country, total, currency, product_name, stage, state, rule, reason, arm, lifted, carry_step, triggered_at, delivered_first_at, delivered_last_at, delivered_step, bought_by, decide_at, updated_at, carry_sequence, source, by_link) VALUES ('acme', 'woo', '2335', '6d649b094dfdb843e76608e5b8bab773', 'ann@example.com', '{"id":"2335","status":"checkout-draft","started_at":"2026-03-02T09:00:00Z","activity_at":"2026-03-02T09:00:00Z","modified_at":"2026-03-02T09:00:00Z","customer":{"email":"ann@example.com","id":"","first_name":"","last_name":"","phone":""},"total":{"amount":"19.40","currency":"EUR"},"lines":[{"title":"Trail Mug","quantity":1,"total":{"amount":"14.50","currency":"EUR"},"price":{"amount":"14.50","currency":"EUR"},"variant":"","sku":"SKU-11","product_id":"11","variant_id":"","image_url":"http://127.0.0.1:39243/wp-content/uploads/11.png","product_url":"http://127.0.0.1:39243/?p=11"}],"url":"http://127.0.0.1:39243/checkout-link/?products=11:1","completed_at":null,"emptied":false,"order_id":"2335","tokens":[],"consent":{"state":"unknown","source":"","at":null},"country":"DE","locale":"","stage":"contact","coupons":[],"source":"drafts","by_link":false}', '', '2335', '', 'checkout-draft', '30311cbc008398089b2d27f6', '2026-03-02 09:00:00.000000', '2026-03-02 09:00:00.000000', '2026-03-02 09:00:00.000000', NULL, 0, 'unknown', '', NULL, 'DE', '19.40', 'EUR', 'Trail Mug', 'contact', 'enrolled', '', 'step 1 delivered', '', 0, 0, '2026-03-02 09:45:00.000000', '2026-03-02 09:45:00.000000', '2026-03-02 09:45:00.000000', 0, '', NULL, '2026-03-02 09:45:00.000000', '', 'drafts', 0);
INSERT INTO checkouts (client, store, id, shopper, email, payload, customer_id, order_id, token, status, digest, started_at, activity_at, seen_at, completed_at, emptied, consent, consent_source, consent_at, country, total, currency, product_name, stage, state, rule, reason, arm, lifted, carry_step, triggered_at, delivered_first_at, delivered_last_at, delivered_step, bought_by, decide_at, updated_at, carry_sequence, source, by_link) VALUES ('acme', 'shop', 'gid://shopify/AbandonedCheckout/36270641348781', '41575307cbf8c919f8aaf08171e89339', NULL, NULL, 'gid://shopify/Customer/36270641348782', '', 'hWN9BnOs36270641348781', 'completed', 'cc1c0d934a9fd9021d5a469f', '2026-03-02 09:00:00.000000', '2026-03-02 09:50:00.000000', '2026-03-02 09:51:00.000000', '2026-03-02 09:50:00.000000', 0, 'not_opted_in', 'shopify customer', NULL, 'GB', '49.00', 'USD', 'Linen shirt', 'address', 'recovered', 'R7', 'bought after a step: the checkout was completed', '', 0, 0, '2026-03-02 09:45:00.000000', '2026-03-02 09:45:00.000000', '2026-03-02 09:45:00.000000', 0, 'shop/gid://shopify/Order/36270641348783', NULL, '2026-03-02 09:51:00.000000', '', 'abandoned checkouts', 0);
INSERT INTO checkouts (client, store, id, shopper, email, payload, customer_id, order_id, token, status, digest, started_at, activity_at, seen_at, completed_at, emptied, consent, consent_source, consent_at, country, total, currency, product_name, stage, state, rule, reason, arm, lifted, carry_step, triggered_at, delivered_first_at, delivered_last_at, delivered_step, bought_by, decide_at, updated_at, carry_sequence, source, by_link) VALUES ('acme', 'woo', '2336', '40d3365a098494ab0e469c5255367e2e', NULL, NULL, '', '2336', '', 'checkout-draft', '', '2026-03-02 09:50:00.000000', '2026-03-02 09:50:00.000000', '2026-03-02 09:51:00.000000', NULL, 0, 'unknown', '', NULL, 'DE', '19.40', 'EUR', 'Trail Mug', 'contact', 'suppressed', 'R10', 'suppressed by hand', '', 0, 0, NULL, NULL, NULL, NULL, '', NULL, '2026-03-02 09:52:00.000000', '', 'drafts', 0);
INSERT INTO checkouts (client, store, id, shopper, email, payload, customer_id, order_id, token, status, digest, started_at, activity_at, seen_at, completed_at, emptied, consent, consent_source, consent_at, country, total, currency, product_name, stage, state, rule, reason, arm, lifted, carry_step, triggered_at, delivered_first_at, delivered_last_at, delivered_step, bought_by, decide_at, updated_at, carry_sequence, source, by_link) VALUES ('acme', 'woo', '2337', '617b94c5d063a2d6a5f932e9028a9ff4', 'dan@example.com', '{"id":"2337","status":"checkout-draft","started_at":"2026-03-02T09:51:00Z","activity_at":"2026-03-02T09:51:00Z","modified_at":"2026-03-02T09:51:00Z","customer":{"email":"dan@example.com","id":"","first_name":"","last_name":"","phone":""},"total":{"amount":"19.40","currency":"EUR"},"lines":[{"title":"Trail Mug","quantity":1,"total":{"amount":"14.50","currency":"EUR"},"price":{"amount":"14.50","currency":"EUR"},"variant":"","sku":"SKU-11","product_id":"11","variant_id":"","image_url":"http://127.0.0.1:39243/wp-content/uploads/11.png","product_url":"http://127.0.0.1:39243/?p=11"}],"url":"http://127.0.0.1:39243/checkout-link/?products=11:1","completed_at":null,"emptied":false,"order_id":"2337","tokens":[],"consent":{"state":"unknown","source":"","at":null},"country":"DE","locale":"","stage":"contact","coupons":[],"source":"drafts","by_link":false}', '', '2337', '', 'checkout-draft', '579eb86e92a092dd658168e3', '2026-03-02 09:51:00.000000', '2026-03-02 09:51:00.000000', '2026-03-02 09:52:00.000000', NULL, 0, 'unknown', '', NULL, 'DE', '19.40', 'EUR', 'Trail Mug', 'contact', 'waiting', 'R2', 'the shopper may still be at the checkout', '', 0, 0, NULL, NULL, NULL, NULL, '', '2026-03-02 10:21:00.000000', '2026-03-02 09:52:00.000000', '', 'drafts', 0);
INSERT INTO crms (client, id, identity, name, failures, retry_at, error, paused, gone) VALUES ('acme', 'mail', 'AbC123', 'Acme', 0, NULL, '', 0, 0);
INSERT INTO deliveries (id, client, crm, shopper, email, kind, "key", step, generation, store, checkout_id, order_id, reason, state, priority, due_at, next_at, attempts, attempted_at, done_at, rule, error, detail, applied, withdrawn, exchange) VALUES (1, 'acme', 'mail', '41575307cbf8c919f8aaf08171e89339', NULL, 'enrol', '9f756d02815b4e8bc0f51f40c66ef0ebafaa1dfb', 0, 1, 'shop', 'gid://shopify/AbandonedCheckout/36270641348781', '', '', 'done', 5, '2026-03-02 09:30:00.000000', '2026-03-02 09:30:00.000000', 1, '2026-03-02 09:45:00.000000', '2026-03-02 09:45:00.000000', '', '', '', '{"tags": ["abandoned-cart"], "campaigns": [{"metric": "Started Checkout"}], "accounts": ["AbC123"]}', 1, '');
INSERT INTO deliveries (id, client, crm, shopper, email, kind, "key", step, generation, store, checkout_id, order_id, reason, state, priority, due_at, next_at, attempts, attempted_at, done_at, rule, error, detail, applied, withdrawn, exchange) VALUES (2, 'acme', 'mail', '6d649b094dfdb843e76608e5b8bab773', NULL, 'enrol', 'ee56a4419c11e5918671dfdb61ee7f6e9e07df13', 0, 1, 'woo', '2335', '', '', 'done', 5, '2026-03-02 09:30:00.000000', '2026-03-02 09:30:00.000000', 1, '2026-03-02 09:45:00.000000', '2026-03-02 09:45:00.000000', '', '', '', '{"tags": ["abandoned-cart"], "campaigns": [{"metric": "Started Checkout"}], "accounts": ["AbC123"]}', 0, '');
INSERT INTO deliveries (id, client, crm, shopper, email, kind, "key", step, generation, store, checkout_id, order_id, reason, state, priority, due_at, next_at, attempts, attempted_at, done_at, rule, error, detail, applied, withdrawn, exchange) VALUES (3, 'acme', 'mail', '41575307cbf8c919f8aaf08171e89339', NULL, 'withdraw', 'withdraw:acme:41575307cbf8c919f8aaf08171e89339:mail:1:bought:shop/gid://shopify/Order/36270641348783:AbC123', 0, 1, 'shop', 'gid://shopify/AbandonedCheckout/36270641348781', 'shop/gid://shopify/Order/36270641348783', 'bought', 'done', 1, '2026-03-02 09:51:00.000000', '2026-03-02 09:51:00.000000', 1, '2026-03-02 09:51:00.000000', '2026-03-02 09:51:00.000000', '', '', 'taken out', '{"tags": ["abandoned-cart"], "campaigns": [{"metric": "Started Checkout"}], "accounts": ["AbC123"]}', 0, '');
INSERT INTO events (id, client, shopper, at, what, rule, store, checkout_id) VALUES (1, 'acme', '41575307cbf8c919f8aaf08171e89339', '2026-03-02 09:45:00.000000', 'lead made', 'R2', 'shop', 'gid://shopify/AbandonedCheckout/36270641348781');
INSERT INTO events (id, client, shopper, at, what, rule, store, checkout_id) VALUES (2, 'acme', '6d649b094dfdb843e76608e5b8bab773', '2026-03-02 09:45:00.000000', 'lead made', 'R2', 'woo', '2335');
INSERT INTO events (id, client, shopper, at, what, rule, store, checkout_id) VALUES (3, 'acme', '41575307cbf8c919f8aaf08171e89339', '2026-03-02 09:45:00.000000', 'step 1 delivered to mail', '', 'shop', 'gid://shopify/AbandonedCheckout/36270641348781');
INSERT INTO events (id, client, shopper, at, what, rule, store, checkout_id) VALUES (4, 'acme', '6d649b094dfdb843e76608e5b8bab773', '2026-03-02 09:45:00.000000', 'step 1 delivered to mail', '', 'woo', '2335');
INSERT INTO events (id, client, shopper, at, what, rule, store, checkout_id) VALUES (5, 'acme', '40d3365a098494ab0e469c5255367e2e', '2026-03-02 09:50:00.000000', 'suppressed by hand', 'R10', '', '');
INSERT INTO events (id, client, shopper, at, what, rule, store, checkout_id) VALUES (6, 'acme', '41575307cbf8c919f8aaf08171e89339', '2026-03-02 09:51:00.000000', 'recovered: bought after a step: the checkout was completed', 'R7', 'shop', 'gid://shopify/AbandonedCheckout/36270641348781');
INSERT INTO events (id, client, shopper, at, what, rule, store, checkout_id) VALUES (7, 'acme', '41575307cbf8c919f8aaf08171e89339', '2026-03-02 09:51:00.000000', 'taken out of mail', 'R7', 'shop', 'gid://shopify/AbandonedCheckout/36270641348781');
INSERT INTO hours (client, store, hour, leads) VALUES ('acme', 'shop', '2026-03-02 09:00:00.000000', 1);
INSERT INTO hours (client, store, hour, leads) VALUES ('acme', 'woo', '2026-03-02 09:00:00.000000', 1);
INSERT INTO leads (id, client, shopper, email, generation, store, checkout_id, shown_store, shown_checkout_id, activity_at, created_at, arm, lifted, sequence) VALUES (2, 'acme', '6d649b094dfdb843e76608e5b8bab773', 'ann@example.com', 1, 'woo', '2335', 'woo', '2335', '2026-03-02 09:00:00.000000', '2026-03-02 09:45:00.000000', '', 0, 'f525b6edd7bc0ca5');
INSERT INTO orders (client, store, id, shopper, customer_id, checkout_id, token, cart_token, status, purchase, origin, created_at, modified_at, placed_at, cancelled_at, total, refunded, currency) VALUES ('acme', 'shop', 'gid://shopify/Order/36270641348783', '41575307cbf8c919f8aaf08171e89339', 'gid://shopify/Customer/36270641348782', '', 'chk36270641348783', 'hWN9BnOs36270641348781', 'paid', 1, 'checkout', '2026-03-02 09:50:00.000000', '2026-03-02 09:50:00.000000', '2026-03-02 09:50:00.000000', NULL, '49.00', '0', 'USD');
INSERT INTO outcomes (client, store, checkout_id, day, product_name, stage, arm, steps, bought) VALUES ('acme', 'shop', 'gid://shopify/AbandonedCheckout/36270641348781', '2026-03-02', 'Linen shirt', 'address', '', 1, 'recovered');
INSERT INTO outcomes (client, store, checkout_id, day, product_name, stage, arm, steps, bought) VALUES ('acme', 'woo', '2335', '2026-03-02', 'Trail Mug', 'contact', '', 1, '');
INSERT INTO recoveries (client, store, order_id, shopper, state, origin, amount, currency, placed_at, seen_at, checkout_store, checkout_id, last_step, last_delivered_at, arm, day, product_name, stage, net) VALUES ('acme', 'shop', 'gid://shopify/Order/36270641348783', '41575307cbf8c919f8aaf08171e89339', 'recovered', 'checkout', '49.00', 'USD', '2026-03-02 09:50:00.000000', '2026-03-02 09:51:00.000000', 'shop', 'gid://shopify/AbandonedCheckout/36270641348781', 0, '2026-03-02 09:45:00.000000', '', '2026-03-02', 'Linen shirt', 'address', 490000);
INSERT INTO sequences (client, id, steps) VALUES ('acme', 'f525b6edd7bc0ca5', '[{"after":"30m"}]');
INSERT INTO settings (name, value) VALUES ('hash_key', '58927871ede7b9f8951594dd2dd402f20934d7d4a3c7cab76b661a44da2b2e99');
INSERT INTO settings (name, value) VALUES ('made_at', '2026-03-02T09:00:00+00:00');
INSERT INTO settings (name, value) VALUES ('keep_for:acme', '7776000.0');
INSERT INTO stores (client, id, identity, name, checkouts_cursor, orders_cursor, first_poll_at, next_poll_at, polled_at, orders_read_at, clock_offset, failures, failing_since, error, paused, gone, surge, surge_released_at, notes, visits_read_at, orders_through, time_zone, locale, coupons_error, coupons_retry_at) VALUES ('acme', 'shop', 'gid://shopify/Shop/26371970', 'Acme', '{"from": "2026-03-02T09:20:00+00:00"}', '{"from": "2026-03-02T09:45:00+00:00"}', '2026-03-02 09:00:00.000000', '2026-03-02 09:53:00.000000', '2026-03-02 09:52:00.000000', '2026-03-02 09:52:00.000000', 0.0, 0, NULL, '', 0, 0, 0, NULL, '', NULL, NULL, 'America/New_York', '', '', NULL);
INSERT INTO stores (client, id, identity, name, checkouts_cursor, orders_cursor, first_poll_at, next_poll_at, polled_at, orders_read_at, clock_offset, failures, failing_since, error, paused, gone, surge, surge_released_at, notes, visits_read_at, orders_through, time_zone, locale, coupons_error, coupons_retry_at) VALUES ('acme', 'woo', '127.0.0.1:39243', 'Sandbox Outfitters', '{"checkouts": "2026-03-02T09:51:00+00:00"}', '{"orders": "2026-03-02T09:51:00+00:00"}', '2026-03-02 09:00:00.000000', '2026-03-02 09:53:00.000000', '2026-03-02 09:52:00.000000', '2026-03-02 09:52:00.000000', 0.0, 0, NULL, '', 0, 0, 0, NULL, '', '2026-03-02 09:45:00.000000', NULL, '+02:00', 'en_US', '', NULL);
INSERT INTO suppressions (client, value, why, at) VALUES ('acme', '40d3365a098494ab0e469c5255367e2e', 'suppressed by hand', '2026-03-02 09:50:00.000000');
INSERT INTO tallies (client, day, store, kind, product_name, stage, arm, steps, state, last_step, currency, number, net) VALUES ('acme', '2026-03-02', 'woo', 'contactable', '', '', '', 0, '', -1, '', 3, 0);
INSERT INTO tallies (client, day, store, kind, product_name, stage, arm, steps, state, last_step, currency, number, net) VALUES ('acme', '2026-03-02', 'shop', 'contactable', '', '', '', 0, '', -1, '', 1, 0);
INSERT INTO windows (client, shopper, opened_at, generation) VALUES ('acme', '41575307cbf8c919f8aaf08171e89339', '2026-03-02 09:45:00.000000', 1);
INSERT INTO windows (client, shopper, opened_at, generation) VALUES ('acme', '6d649b094dfdb843e76608e5b8bab773', '2026-03-02 09:45:00.000000', 1);

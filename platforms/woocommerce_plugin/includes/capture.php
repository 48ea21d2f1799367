<?php
/**
 * When a checkout is stored: as soon as its shopper's e-mail address is known, and whenever something changes after that.
 *
 * Hooks only note what happened in this request; it is written once, at its end.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

on( 'woocommerce_store_api_cart_update_customer_from_request', __NAMESPACE__ . '\typed_in_block' );
on( 'woocommerce_checkout_update_order_review', __NAMESPACE__ . '\typed_in_classic' );
on( 'wc_ajax_winback', __NAMESPACE__ . '\sent_by_classic' );
on( 'wp_enqueue_scripts', __NAMESPACE__ . '\load_classic_script' );
on( 'template_redirect', __NAMESPACE__ . '\visit', 20 );
foreach ( array( 'woocommerce_after_calculate_totals', 'woocommerce_cart_item_removed', 'woocommerce_cart_emptied' ) as $changing ) {
	on( $changing, __NAMESPACE__ . '\touched' );
}
on( 'woocommerce_guest_session_to_user_id', __NAMESPACE__ . '\logged_in' );
on( 'shutdown', __NAMESPACE__ . '\write', 5 ); // WooCommerce stores its session at 20.

/**
 * The cart may have changed; a mere page view calculates its totals, too.
 */
function touched(): void {
	Seen::$touched = true;
}

/**
 * The block checkout hands the address over a second after typing stops.
 *
 * @param \WC_Customer     $customer The customer of this session.
 * @param \WP_REST_Request $request  What the browser sent.
 */
function typed_in_block( $customer, $request ): void {
	Seen::$typed = array( 'email' => typed_in_request( $request, $customer->get_billing_email() ) );
}

/**
 * The address in a request of the block checkout, or ''.
 *
 * @param \WP_REST_Request $request What the browser sent.
 * @param string           $cleaned What WooCommerce made of the address.
 */
function typed_in_request( $request, string $cleaned ): string {
	$billing = $request['billing_address'];

	// A push of the shipping address alone brings no e-mail address: then it is the one that was typed before.
	$typed = is_array( $billing ) && is_string( $billing['email'] ?? null ) ? trim( $billing['email'] ) : $cleaned;
	if ( '' !== $typed && 0 !== strcasecmp( $typed, $cleaned ) ) {
		remember( 'mangled', strtolower( $cleaned ) ); // The form shows it from now on, and sends it as if it were typed.
	}
	return strtolower( $typed ) === memory( 'mangled' ) ? '' : address( $typed, $cleaned );
}

/**
 * The classic checkout refreshes its totals when the page loads and when the postal address changes.
 *
 * @param string $posted The form, URL-encoded.
 */
function typed_in_classic( $posted ): void {
	parse_str( (string) $posted, $form );
	if ( ! memory( 'parent' ) || find( 'cart_key', session_key() ) ) {
		Seen::$typed = typed( $form, 'billing_' ); // Else the page was only loaded, with what a recovery link filled in.
	}
	remember_consents( array_intersect_key( $form, array_flip( consent_fields() ) ) );
}

/**
 * Our own small script on the classic checkout sends what WooCommerce does not: the address while it is typed.
 */
function sent_by_classic(): void {
	if ( ! check_ajax_referer( 'woocommerce-winback', 'nonce', false ) ) {
		wp_send_json( array( 'stored' => false ), 403 );
	}
	$form        = wp_unslash( $_POST );
	Seen::$typed = typed( $form );
	remember_consents( is_array( $form['consent'] ?? null ) ? $form['consent'] : array() );
	if ( '' !== Seen::$typed['email'] && ! is_user_logged_in() ) {
		// So that the form still knows it when this shopper comes back in the same browser.
		WC()->customer->set_billing_email( Seen::$typed['email'] );
		WC()->customer->save();
	}
	wp_send_json( array( 'stored' => '' !== Seen::$typed['email'] ) );
}

/**
 * The fields of a form that say who is typing.
 *
 * @param array  $form   Field => value.
 * @param string $prefix What the fields' names begin with.
 */
function typed( array $form, string $prefix = '' ): array {
	$email = $form[ $prefix . 'email' ] ?? '';
	$found = array( 'email' => is_string( $email ) ? address( $email ) : '' );
	foreach ( array( 'first_name', 'last_name', 'phone', 'country' ) as $field ) {
		$found[ $field ] = plain( $form[ $prefix . $field ] ?? '', 100 );
	}
	return $found;
}

/**
 * An e-mail address as it was typed, or '' if it is none.
 *
 * WordPress strips the letters it does not know, which can leave the address of somebody else (ünï@… becomes n@…). So
 * an address that came out changed is nobody's.
 *
 * @param string      $typed   What the shopper typed.
 * @param string|null $cleaned What WooCommerce made of it.
 */
function address( string $typed, ?string $cleaned = null ): string {
	$typed = trim( $typed );
	if ( strlen( $typed ) > 254 || ! is_email( $typed ) ) {
		return '';
	}
	return null === $cleaned || 0 === strcasecmp( $typed, $cleaned ) ? $typed : '';
}

/**
 * The code of a country, or '' if it is none: not every form that WooCommerce reads it from checks it.
 *
 * @param string $typed What the shopper's browser sent.
 */
function country( string $typed ): string {
	$code = strtoupper( trim( $typed ) );
	return preg_match( '/\A[A-Z]{2}\z/', $code ) ? $code : '';
}

/**
 * The script of the classic checkout. On a block checkout it finds no form and does nothing.
 */
function load_classic_script(): void {
	if ( ! is_checkout() || is_order_page() ) {
		return;
	}
	wp_enqueue_script( 'winback-classic-checkout', plugins_url( 'classic-checkout.js', __DIR__ ), array(), VERSION, true );
	$settings = array(
		'url'     => \WC_AJAX::get_endpoint( 'winback' ),
		'nonce'   => wp_create_nonce( 'woocommerce-winback' ),
		'consent' => consent_fields(),
	);
	wp_add_inline_script( 'winback-classic-checkout', 'window.winbackCheckout = ' . wp_json_encode( $settings ) . ';', 'before' );
}

/**
 * A checkout page is shown: it is counted, and whoever is logged in is captured without typing.
 */
function visit(): void {
	if ( ! is_checkout() || is_order_page() || ! WC()->cart || WC()->cart->is_empty() || ! empty( $_SERVER['HTTP_SEC_PURPOSE'] ) ) {
		return;
	}
	Seen::$touched = true;
	if ( memory( 'parent' ) ) {
		return; // Came by a recovery link: that checkout was counted when it began, and a mail scanner gets this far too.
	}
	count_start();
	if ( is_user_logged_in() ) {
		$email       = WC()->customer->get_billing_email();
		Seen::$typed = array( 'email' => address( $email ? $email : wp_get_current_user()->user_email ) );
	}
}

/**
 * Whether this page belongs to an order that was placed already.
 */
function is_order_page(): bool {
	return is_wc_endpoint_url( 'order-received' ) || is_wc_endpoint_url( 'order-pay' );
}

/**
 * Counts a checkout once, on the day it begins.
 *
 * @return string That day.
 */
function count_start(): string {
	$day = memory( 'day' );
	if ( ! $day ) {
		$day = gmdate( 'Y-m-d' );
		remember( 'day', $day );
		WC()->session->save_data(); // At once: a request that the page makes must not bring back the session without it.
		count_day( $day, 1, 0 );
	}
	return $day;
}

/**
 * A guest logged in: WooCommerce moves the cart from the guest's session to the account's.
 *
 * @param string $guest The guest's session.
 * @param string $user  The account's.
 */
function logged_in( $guest, $user ): void {
	$row = find( 'cart_key', session_key( (string) $guest ) );
	if ( ! $row ) {
		return;
	}
	$old = find( 'cart_key', session_key( (string) $user ) );
	if ( $old ) {
		// What was in the account's older cart has been merged into this one. A key belongs to one row only.
		let_go( $old, true );
	}
	change(
		(int) $row['id'],
		array(
			'cart_key'    => session_key( (string) $user ),
			'customer_id' => (int) $user,
		),
		true
	);
}

/**
 * Takes the session away from a row, so that the next checkout in it is a new one.
 *
 * @param array $row     The row.
 * @param bool  $emptied Whether its cart is gone, too.
 */
function let_go( array $row, bool $emptied ): void {
	$fields = array( 'cart_key' => null );
	if ( $emptied && 'open' === $row['status'] ) {
		$fields['status'] = 'emptied';
	}
	change( (int) $row['id'], $fields, $emptied );
}

/**
 * Stores what happened in this request.
 */
function write(): void {
	$key = session_key();
	if ( '' === $key || ! WC()->cart || Seen::$filling || ! ( Seen::$touched || Seen::$typed ) ) {
		return;
	}
	$row = find( 'cart_key', $key );
	if ( WC()->cart->is_empty() ) {
		cart_is_empty( $row );
	} elseif ( $row || '' !== ( Seen::$typed['email'] ?? '' ) ) {
		record( $row, $key, Seen::$typed ?? array() );
	}
	Seen::$touched = false;
	Seen::$typed   = null;
}

/**
 * The shopper took everything out, or an order did.
 *
 * @param array|null $row The session's row.
 */
function cart_is_empty( ?array $row ): void {
	if ( ! $row ) {
		if ( memory( 'ordered' ) || memory( 'parent' ) ) {
			forget_session();
		}
		return;
	}
	if ( 'open' === $row['status'] && ! $row['parent_id'] ) {
		change( (int) $row['id'], array( 'status' => 'emptied' ), true ); // Refilled, it goes on as the same checkout.
	} elseif ( 'emptied' !== $row['status'] ) {
		let_go( $row, true );
		forget_session();
	}
}

/**
 * Stores this session's checkout.
 *
 * @param array|null $row   Its row, if it has one already.
 * @param string     $key   The session's key.
 * @param array      $typed See Seen::$typed.
 * @return array|null The row as it is now.
 */
function record( ?array $row, string $key, array $typed ): ?array {
	if ( ! $row && just_bought() ) {
		return null;
	}
	$cart  = read_cart();
	$email = ( $typed['email'] ?? '' ) ? $typed['email'] : ( $row['email'] ?? '' );
	$now   = array(
		'status'      => 'open',
		'stage'       => stage( $row ),
		'email'       => $email,
		'customer_id' => get_current_user_id(),
		'contact'     => (string) wp_json_encode( contact( $typed, $row ) ),
		'cart'        => (string) wp_json_encode( $cart ),
	) + consent();
	if ( ! $row ) {
		return record_first( $key, $now );
	}
	$same_cart = contents( $cart ) === contents( json_decode( $row['cart'], true ) );
	if ( 'ordered' === $row['status'] && $same_cart && $email === $row['email'] ) {
		$now['status'] = 'ordered'; // Still waiting for the payment of just this.
	}
	$changed = array_diff_assoc( $now, $row );
	// A look at the checkout page is activity, too, but not worth more than one write a minute.
	if ( $changed || ( is_checkout() && strtotime( $row['activity_at'] . ' UTC' ) < time() - MINUTE_IN_SECONDS ) ) {
		change( (int) $row['id'], $changed, true );
	}
	return array_merge( $row, $changed );
}

/**
 * Stores a checkout for the first time.
 *
 * @param string $key The session's key.
 * @param array  $now Column => value.
 */
function record_first( string $key, array $now ): ?array {
	$parent = (int) memory( 'parent' );
	$new    = insert(
		$now + array(
			'token'     => bin2hex( random_bytes( 16 ) ),
			'cart_key'  => $key,
			'parent_id' => $parent,
		)
	);
	if ( $new && ! $parent ) {
		count_day( count_start(), 0, 1 );
	}
	return find( 'cart_key', $key );
}

/**
 * Whether this session's order is paid and only its cart has not been emptied yet.
 */
function just_bought(): bool {
	$row = find( 'token', (string) memory( 'ordered' ) );
	return $row && 'completed' === $row['status'];
}

/**
 * How far the shopper got.
 *
 * @param array|null $row The row so far.
 */
function stage( ?array $row ): string {
	if ( $row && in_array( $row['stage'], array( 'payment', 'payment_failed' ), true ) ) {
		return $row['stage'];
	}
	return WC()->customer->get_billing_address_1() || WC()->customer->get_shipping_address_1() ? 'address' : 'contact';
}

/**
 * Who the shopper is: as typed now, else as WooCommerce knows, else as stored before.
 *
 * @param array      $typed See Seen::$typed.
 * @param array|null $row   The row so far.
 */
function contact( array $typed, ?array $row ): array {
	$customer = WC()->customer;
	$stored   = $row ? json_decode( $row['contact'], true ) : array();
	$contact  = array();
	foreach ( array( 'first_name', 'last_name', 'phone', 'country' ) as $field ) {
		// Shipping comes first for the country only: it decides which law holds.
		$addresses = 'country' === $field ? array( 'shipping', 'billing' ) : array( 'billing', 'shipping' );
		$known     = array_map( static fn( $address ) => $customer->{"get_{$address}_{$field}"}(), $addresses );
		$values    = array_merge( array( $typed[ $field ] ?? '' ), $known, array( $stored[ $field ] ?? '' ) );
		$values    = array_filter( 'country' === $field ? array_map( __NAMESPACE__ . '\country', $values ) : $values );

		$contact[ $field ] = plain( reset( $values ), 100 );
	}
	return $contact + array( 'locale' => get_locale() );
}

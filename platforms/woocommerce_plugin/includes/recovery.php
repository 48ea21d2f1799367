<?php
/**
 * The recovery link: /?wc-winback=TOKEN puts that cart together again, in whatever browser it is opened.
 *
 * Mail scanners open links, too. So opening one stores nothing about the checkout: it fills the cart of the visitor's
 * own session, and that is a checkout only once its visitor does something there. Nobody is logged in, and the link
 * shows no more than the cart and, to guests, the address it was sent to with the name.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.Security.NonceVerification.Recommended -- The link comes from an e-mail; its token is the proof.

on( 'template_redirect', __NAMESPACE__ . '\open_link', 1 );

/**
 * The link of a checkout.
 *
 * @param string $token Its token.
 */
function recovery_url( string $token ): string {
	return add_query_arg( 'wc-winback', $token, home_url( '/' ) );
}

/**
 * Follows a recovery link.
 */
function open_link(): void {
	if ( ! isset( $_GET['wc-winback'] ) ) {
		return;
	}
	nocache_headers();
	header( 'Cache-Control: no-store, private, max-age=0' );
	header( 'X-Robots-Tag: noindex, nofollow' );
	$page   = wc_get_checkout_url();
	$method = sanitize_key( wp_unslash( $_SERVER['REQUEST_METHOD'] ?? '' ) );
	if ( 'get' === $method && WC()->session && WC()->cart ) {
		$page = restored( query_text( 'wc-winback' ), query_text( 'coupon' ) ) ? $page : wc_get_cart_url();
	}
	wp_safe_redirect( add_query_arg( array_map( 'rawurlencode', campaign_parameters() ), $page ) );
	exit;
}

/**
 * A parameter of the address, '' if there is none.
 *
 * @param string $name The parameter.
 */
function query_text( string $name ): string {
	return isset( $_GET[ $name ] ) && is_string( $_GET[ $name ] ) ? sanitize_text_field( wp_unslash( $_GET[ $name ] ) ) : '';
}

/**
 * What the store's statistics want to know of the e-mail: it must outlive the redirect.
 *
 * @return string[]
 */
function campaign_parameters(): array {
	$names = preg_grep( '/^(utm_\w{1,30}|mc_[ce]id|gclid|fbclid|msclkid)$/', array_map( 'strval', array_keys( $_GET ) ) );
	return array_filter( array_combine( $names, array_map( __NAMESPACE__ . '\query_text', $names ) ) );
}

/**
 * Makes the visitor's cart the checkout's.
 *
 * @param string $token  From the link.
 * @param string $coupon A coupon code to apply as well, or ''.
 * @return bool Whether there is something to check out.
 */
function restored( string $token, string $coupon ): bool {
	$row = preg_match( '/^[0-9a-f]{32}$/', $token ) ? find( 'token', $token ) : null;
	WC()->session->set_customer_session_cookie( true ); // Without a session no notice would be seen.
	if ( ! $row || 'completed' === $row['status'] ) {
		wc_add_notice(
			$row ? __( 'This cart has already been ordered.', 'winback-for-woocommerce' ) : __( 'This link is no longer valid.', 'winback-for-woocommerce' ),
			'notice'
		);
		return false;
	}
	if ( ! is_in_this_browser( $row ) ) {
		fill_cart( $row );
	}
	if ( WC()->cart->is_empty() ) {
		return false;
	}
	$coupon = wc_format_coupon_code( $coupon );
	if ( '' !== $coupon && ! WC()->cart->has_discount( $coupon ) ) {
		WC()->cart->apply_coupon( $coupon );
	}
	return true;
}

/**
 * Whether the visitor's session holds this very cart already, perhaps changed since: then it stays as it is.
 *
 * @param array $row The checkout.
 */
function is_in_this_browser( array $row ): bool {
	return ! WC()->cart->is_empty() && ( session_key() === $row['cart_key'] || (int) memory( 'parent' ) === root( $row ) );
}

/**
 * The checkout that a row belongs to: a recovered one belongs to the one that it recovers.
 *
 * @param array $row The row.
 */
function root( array $row ): int {
	return (int) ( $row['parent_id'] ? $row['parent_id'] : $row['id'] );
}

/**
 * Fills the cart, and ties this session to the checkout without handing the checkout over to it: what the visitor types
 * becomes a row of its own.
 *
 * @param array $row The checkout.
 */
function fill_cart( array $row ): void {
	$own = session_key() === $row['cart_key'];
	if ( ! $own ) {
		$other = find( 'cart_key', session_key() );
		if ( $other ) {
			let_go( $other, true ); // Another checkout of this browser, whose cart is replaced now.
		}
	}
	Seen::$filling = true;
	WC()->cart->empty_cart();
	$cart = json_decode( $row['cart'], true );
	if ( ! add_lines( $cart['lines'] ) && ! wc_notice_count( 'error' ) ) {
		wc_add_notice( __( 'Some of the products in this cart are no longer available.', 'winback-for-woocommerce' ), 'notice' );
	}
	foreach ( WC()->cart->is_empty() ? array() : $cart['coupons'] as $code ) {
		WC()->cart->apply_coupon( $code );
	}
	if ( $own ) {
		Seen::$filling = false;
		return;
	}
	forget_session();
	remember( 'parent', root( $row ) );
	if ( ! is_user_logged_in() && ! $row['customer_id'] ) {
		prefill( $row );
	}
}

/**
 * Puts the products into the cart.
 *
 * @param array $lines As read_line() made them.
 * @return bool Whether all could be.
 */
function add_lines( array $lines ): bool {
	$all = true;
	foreach ( $lines as $line ) {
		if ( WC()->cart->get_cart_item( $line['key'] ) ) {
			continue; // A part of a bundle, which the bundle's own plugin has added.
		}
		$product  = wc_get_product( $line['variation_id'] ? $line['variation_id'] : $line['product_id'] );
		$most     = $product ? $product->get_max_purchase_quantity() : 0;
		$quantity = $most > 0 ? min( $line['quantity'], $most ) : $line['quantity'];
		$added    = $product && WC()->cart->add_to_cart( $line['product_id'], $quantity, $line['variation_id'], $line['variation'], $line['extra'] );
		$all      = $all && $added && $quantity === $line['quantity'];
	}
	return $all;
}

/**
 * Spares a guest typing the address that the e-mail was sent to.
 *
 * @param array $row The checkout.
 */
function prefill( array $row ): void {
	$customer = WC()->customer;
	if ( $customer->get_billing_email() ) {
		return;
	}
	$contact = json_decode( $row['contact'], true );
	$customer->set_billing_email( $row['email'] );
	foreach ( array( 'billing', 'shipping' ) as $address ) {
		$customer->{"set_{$address}_first_name"}( $contact['first_name'] );
		$customer->{"set_{$address}_last_name"}( $contact['last_name'] );
	}
	$customer->save();
}

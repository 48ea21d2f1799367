<?php
/**
 * The shopper's own session: its name in the table, and what is kept in it.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

/**
 * What a session is called in the table. The hash keeps whoever reads the table out of the session itself.
 *
 * @param string|null $session WooCommerce's name of the session; null is this request's.
 */
function session_key( ?string $session = null ): string {
	$session = $session ?? ( WC()->session ? (string) WC()->session->get_customer_id() : '' );
	return '' === $session ? '' : hash_hmac( 'sha256', $session, wp_salt() );
}

/**
 * What we keep in the shopper's own session: the day it was counted, the parent row, the consent, the ordered token.
 *
 * @param string $name Which of them.
 * @return mixed
 */
function memory( string $name ) {
	$kept = WC()->session ? WC()->session->get( 'wc_winback' ) : array();
	return is_array( $kept ) ? ( $kept[ $name ] ?? null ) : null;
}

/**
 * Keeps something in the shopper's session.
 *
 * @param string $name  What.
 * @param mixed  $value Its value.
 */
function remember( string $name, $value ): void {
	$kept          = WC()->session->get( 'wc_winback' );
	$kept          = is_array( $kept ) ? $kept : array();
	$kept[ $name ] = $value;
	WC()->session->set( 'wc_winback', $kept );
}

/**
 * The next checkout in this session is a new one.
 */
function forget_session(): void {
	WC()->session->set( 'wc_winback', null );
}
